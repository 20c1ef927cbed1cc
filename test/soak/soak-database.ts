import type { LoadedChat, Membership, UnreadCount } from '../../src/storage/chat-repository.js';
import type { DatabaseRun, HeadPoll } from '../../src/storage/head-repository.js';
import type { LoadedMessages } from '../../src/storage/message-repository.js';
import type { MessageRecord } from '../../src/storage/records.js';
import type { Change } from '../../src/storage/write/change.js';
import type { TailChat } from '../../src/storage/tail-repository.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { WORDS_BY_SCRIPT } from '../../src/transfer/words.js';
import { COPY_HEADER, COPY_TRAILER, copyRow } from '../unit/copy-rows.js';
import type { StatementsInMemory } from '../unit/cache-under-test.js';
import { SAMPLE_MS, sampleChat, sampleChatId, sampleMessage, sampleParticipant } from '../unit/sample-records.js';

/** What the database has before anything is written. */
export interface SoakData {
  readonly chats: number;
  readonly messagesPerChat: number;
}

/** Members of a chat; chat `n` has the users `3n`, `3n + 1` and `3n + 2`, counted around. */
const MEMBERS = 3;

/** A chat's texts are runs of one of these. */
const TEXTS = [WORDS_BY_SCRIPT[0]!, WORDS_BY_SCRIPT[1]!].map((words, at) => {
  const random = new SeededRandom(at);
  let text = '';
  while (text.length < 2 ** 18) text += `${random.pick(words)} `;
  return Buffer.from(text).toString();
});

/** Texts are log-normal in length, as in real conversations. */
const LENGTHS = (() => {
  const random = new SeededRandom(7);
  return Uint16Array.from({ length: 2 ** 12 }, () => Math.min(8000, Math.max(1, random.logNormal(90, 1.2))));
})();

/**
 * A database of any size that takes two numbers a chat: messages follow from chat and seq and are made when they are asked for. So
 * what a process grows by while it works on it is the cache. An edit is told to who listens and not kept: nothing here looks at contents.
 */
export class SoakDatabase implements StatementsInMemory {
  readonly #lastSeqs: Uint32Array;
  readonly #versions: Uint32Array;
  readonly #users: number;
  #loadedChats = 0;

  constructor({ chats, messagesPerChat }: SoakData) {
    this.#lastSeqs = new Uint32Array(chats).fill(messagesPerChat);
    this.#versions = new Uint32Array(chats).fill(messagesPerChat + 1);
    this.#users = MEMBERS * Math.ceil(chats / 100);
  }

  /** Chats that there are. */
  get chats(): number {
    return this.#lastSeqs.length;
  }

  /** Chats that were read, one that was read again counted again. */
  get loadedChats(): number {
    return this.#loadedChats;
  }

  /** Highest seq of a chat. */
  lastSeq(chat: number): number {
    return this.#lastSeqs[chat]!;
  }

  /** Id of a user, counted around. */
  userId(user: number): string {
    return `user-${user % this.#users}`;
  }

  /** Commits a message. */
  send(chat: number): Change {
    const seq = ++this.#lastSeqs[chat]!;
    return this.#messageChange(chat, seq, 'sent');
  }

  /** Commits an edit. */
  edit(chat: number, seq: number): Change {
    return this.#messageChange(chat, seq, 'edited');
  }

  #messageChange(chat: number, seq: number, cause: 'sent' | 'edited'): Change {
    const version = ++this.#versions[chat]!;
    const message = { ...this.#message(chat, seq), version, editedAtMs: cause === 'edited' ? SAMPLE_MS : null };
    return { type: 'message', version, cause, message, wasCountable: cause === 'edited' };
  }

  loadChats(chatIds: readonly string[], tail: number, blockSize: number): LoadedChat[] {
    this.#loadedChats += chatIds.length;
    return chatIds.map((chatId) => {
      const chat = numberOf(chatId);
      const lastSeq = this.lastSeq(chat);
      const first = tail === 0 ? lastSeq : Math.floor(Math.max(0, lastSeq - tail) / blockSize) * blockSize + 1;
      return {
        chatId,
        head: { version: this.#versions[chat]!, lastSeq, resetVersion: 0 },
        firstSeq: 1,
        chat: { ...sampleChat(chatId), title: `Chat ${chat}` },
        participants: Array.from({ length: MEMBERS }, (_unused, at) =>
          sampleParticipant({ userId: this.userId(chat * MEMBERS + at) }),
        ),
        messages: this.#messages(chat, first, lastSeq),
      };
    });
  }

  loadTails(chatIds: readonly string[], tail: number, blockSize: number): { chats: TailChat[]; data: Buffer[][] } {
    const loaded = this.loadChats(chatIds, tail, blockSize);
    const rows = loaded.map(({ messages }, chat) => messages.map((message) => copyRow(chat, message)));
    return {
      chats: loaded.map((chat) => ({ loaded: { ...chat, messages: [] }, reactions: new Map() })),
      data: [[COPY_HEADER], ...rows, [COPY_TRAILER]],
    };
  }

  loadMessages(chatId: string, fromSeq: number, toSeq: number): LoadedMessages {
    const chat = numberOf(chatId);
    const lastSeq = this.lastSeq(chat);
    const messages = this.#messages(chat, fromSeq, Math.min(toSeq, lastSeq));
    return { version: this.#versions[chat]!, lastSeq, messages };
  }

  loadUserChats(userId: string): string[] {
    const chatIds: string[] = [];
    const first = Math.floor(numberOf(userId) / MEMBERS);
    for (let chat = first; chat < this.chats; chat += this.#users / MEMBERS) chatIds.push(sampleChatId(chat));
    return chatIds;
  }

  countUnread(userId: string, chatIds: readonly string[]): UnreadCount[] {
    const isSender = numberOf(userId) % MEMBERS === 0;
    return chatIds.map((chatId) => {
      const chat = numberOf(chatId);
      const unread = isSender ? 0 : this.lastSeq(chat);
      return { chatId, version: this.#versions[chat]!, lastReadSeq: 0, unread };
    });
  }

  loadInbox(): never {
    throw new Error('Nothing changes while it is counted here.');
  }

  pollHeads(): HeadPoll {
    return { horizon: '0', epoch: 'soak', run: 'soak', changed: [], next: undefined };
  }

  findVersions(): DatabaseRun & { versions: Map<string, number> } {
    throw new Error('Nothing is in doubt here.');
  }

  loadChanges(): undefined {
    throw new Error('Nothing is behind here.');
  }

  findMembers(): Membership[] {
    throw new Error('Services alone read here.');
  }

  findMemberships(): { chatId: string; userId: string }[] {
    return [];
  }

  #messages(chat: number, fromSeq: number, toSeq: number): MessageRecord[] {
    return Array.from({ length: Math.max(0, toSeq - fromSeq + 1) }, (_unused, at) => this.#message(chat, fromSeq + at));
  }

  /** The first member sends everything. */
  #message(chat: number, seq: number): MessageRecord {
    const place = Math.imul(chat * 64 + seq, 0x9e3779b1) >>> 0;
    const source = TEXTS[place % 16 === 0 ? 1 : 0]!;
    const start = place % (source.length - 8000);
    const text = source.slice(start, start + LENGTHS[place % LENGTHS.length]!);
    return sampleMessage({ seq, version: seq + 1, senderId: this.userId(chat * MEMBERS), text });
  }
}

/** The number at the end of an id. */
function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}
