import { CacheState } from '../../src/cache/cache-state.js';
import { CacheStats } from '../../src/cache/cache-stats.js';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import { MessageCache } from '../../src/cache/message-cache.js';
import { AnswerReader } from '../../src/cache/read/answer-reader.js';
import { ChatReader } from '../../src/cache/read/chat-reader.js';
import { InboxReader } from '../../src/cache/read/inbox-reader.js';
import { MessageReader } from '../../src/cache/read/message-reader.js';
import { UnreadReader } from '../../src/cache/read/unread-reader.js';
import { ChangeApplier } from '../../src/cache/write/change-applier.js';
import type { LoadedChat } from '../../src/storage/chat-repository.js';
import type { MessageRecord, ParticipantRecord } from '../../src/storage/records.js';
import { ChangeFeed } from '../../src/storage/write/change-feed.js';

/** A cache of its own without a database: whatever is not held fails. */
export interface ProbedCache {
  readonly state: CacheState;
  readonly cache: MessageCache;
  readonly feed: ChangeFeed;
}

/** Makes a cache that holds what is put into its store. */
export function makeCache(maxBytes: number): ProbedCache {
  const options = {
    mode: 'on' as const,
    maxBytes,
    tailMessages: 100,
    warmDeadlineMs: 0,
    pollMs: 60_000,
    stalenessBoundMs: Infinity,
  };
  const state = new CacheState(options);
  const stats = new CacheStats();
  const feed = new ChangeFeed();
  new ChangeApplier(state, feed);
  const chats = new ChatReader(nothing(), state, stats, nothing(), nothing(), nothing(), nothing());
  state.lease.confirm(state.lease.now());
  const messages = new MessageReader(nothing(), chats, state, stats);
  const inboxes = new InboxReader(nothing(), chats, new UnreadReader(nothing(), state), state, nothing());
  const answers = new AnswerReader(chats, messages, inboxes, nothing(), state);
  return { state, feed, cache: new MessageCache(answers, answers, state, stats) };
}

/** A part that must not be asked. */
export function nothing<T extends object>(): T {
  return new Proxy({} as T, {
    get: (_target, name) => () => {
      throw new Error(`the database was asked: ${String(name)}`);
    },
  });
}

/** Id of the n-th chat. */
export function probeChatId(number: number): string {
  return `01980000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

const STARTED_MS = Date.UTC(2026, 0, 1);

/** A chat as the database would give it. */
export function probeChat(number: number, messages: readonly MessageRecord[], userIds: readonly string[]): ChatEntry {
  const chatId = probeChatId(number);
  const loaded: LoadedChat = {
    chatId,
    head: { lastSeq: messages.length, version: messages.length + 1, resetVersion: 0 },
    firstSeq: 1,
    chat: {
      id: chatId,
      kind: 'group',
      title: `Chat ${number}`,
      metadataJson: '{}',
      createdBy: userIds[0] ?? null,
      createdAtMs: STARTED_MS,
      updatedAtMs: STARTED_MS,
    },
    participants: userIds.map(probeParticipant),
    messages,
  };
  const entry = new ChatEntry(chatId, loaded);
  for (const block of entry.cutBlocks(messages)) entry.blocks.set(block.index, block);
  return entry;
}

function probeParticipant(userId: string): ParticipantRecord {
  return { userId, role: 'member', joinedAtMs: STARTED_MS, leftAtMs: null, lastReadSeq: 0, version: 1 };
}

/** A message as the database would give it. */
export function probeMessage(seq: number, senderId: string, text: string): MessageRecord {
  return {
    seq,
    version: seq + 1,
    senderId,
    clientId: null,
    kind: 'user',
    text,
    metadataJson: null,
    replyTo: null,
    createdAtMs: STARTED_MS + seq * 60_000,
    editedAtMs: null,
    deletedAtMs: null,
    reactions: [],
  };
}
