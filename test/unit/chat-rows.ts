import type { HeadRecord, MessageRecord, ParticipantRecord, ReactionSummary } from '../../src/storage/records.js';
import { summarizeReactions, type ReactionArray } from '../../src/storage/statements/read-rows.js';
import type { ChatOperation, SendOperation } from '../../src/storage/write/chat-operation.js';
import {
  clientIdKey,
  reactionKey,
  unreadKey,
  type ClientIdMatch,
  type Decision,
  type LockedChat,
} from '../../src/storage/write/chat-state.js';
import { SAMPLE_MS, sampleChat } from './sample-records.js';

/** The rows of one chat, kept as the database would keep them: what deciding reads, and what its decisions write. */
export class ChatRows {
  head: HeadRecord = { lastSeq: 0, version: 1, resetVersion: 0 };
  chat: LockedChat['chat'];
  readonly participants = new Map<string, ParticipantRecord>();
  readonly messages = new Map<number, MessageRecord>();
  readonly reactions = new Set<string>();
  readonly #firstContents = new Map<string, { readonly seq: number; readonly content: string }>();

  constructor(readonly chatId: string) {
    this.chat = sampleChat(chatId);
  }

  /** What the lock shows to the operations of one batch. */
  lock(operations: readonly ChatOperation[]): LockedChat {
    const clientIds = new Map<string, ClientIdMatch>();
    for (const operation of operations) {
      if (operation.type !== 'send') continue;
      const first = this.#firstContents.get(clientIdKey(operation));
      if (first === undefined) continue;
      clientIds.set(clientIdKey(operation), { seq: first.seq, sameContent: first.content === contentOf(operation) });
    }
    const active = [...this.participants.values()].filter(({ leftAtMs }) => leftAtMs === null);
    return {
      chatId: this.chatId,
      chat: this.chat,
      nowMs: SAMPLE_MS,
      participants: new Map(this.participants),
      messages: new Map(this.messages),
      clientIds,
      reactions: new Set(this.reactions),
      unread: this.#countUnread(operations),
      ownerCount: active.filter(({ role }) => role === 'owner').length,
      participantCount: active.length,
    };
  }

  /** Counts a user's unread messages by looking at every message there is. */
  countUnread(userId: string, lastReadSeq: number): number {
    const unread = [...this.messages.values()].filter(
      ({ seq, senderId, kind, deletedAtMs }) =>
        seq > lastReadSeq && senderId !== userId && kind === 'user' && deletedAtMs === null,
    );
    return unread.length;
  }

  #countUnread(operations: readonly ChatOperation[]): Map<string, number> {
    const counts = new Map<string, number>();
    for (const operation of operations) {
      if (operation.type !== 'markRead') continue;
      const { userId, seq } = operation;
      const lastReadSeq = Math.max(seq, this.participants.get(userId)?.lastReadSeq ?? 0);
      counts.set(unreadKey(userId, lastReadSeq), this.countUnread(userId, lastReadSeq));
    }
    return counts;
  }

  #reactionKeys(seq: number): string[] {
    return [...this.reactions].filter((key) => key.startsWith(reactionKey(seq, '', '').slice(0, -1)));
  }

  #summarize(seq: number): readonly ReactionSummary[] {
    const rows = this.#reactionKeys(seq).map((key): ReactionArray => {
      const [, userId, emoji] = key.split('\u0000');
      return [seq, userId!, emoji!];
    });
    return summarizeReactions(rows).get(seq) ?? [];
  }

  /** Writes what was decided. */
  write(decisions: readonly Decision[], head: HeadRecord): void {
    this.head = head;
    for (const decision of decisions) {
      if ('error' in decision || decision.writes === undefined) continue;
      const { insert, edit, tombstone, react, chat, removeChat } = decision.writes;
      const participant = decision.writes.participant ?? decision.writes.marker;
      for (const message of [insert, edit?.after, tombstone])
        if (message !== undefined) this.messages.set(message.seq, message);
      if (insert !== undefined && decision.operation.type === 'send' && insert.clientId !== null) {
        this.#firstContents.set(clientIdKey(decision.operation), {
          seq: insert.seq,
          content: contentOf(decision.operation),
        });
      }
      if (tombstone !== undefined) {
        for (const key of this.#reactionKeys(tombstone.seq)) this.reactions.delete(key);
      }
      if (react !== undefined) {
        const key = reactionKey(react.seq, react.userId, react.emoji);
        if (react.present) this.reactions.add(key);
        else this.reactions.delete(key);
        const message = this.messages.get(react.seq)!;
        const reactions = this.#summarize(react.seq);
        this.messages.set(react.seq, { ...message, version: decision.result.version, reactions });
      }
      if (participant !== undefined) this.participants.set(participant.userId, participant);
      if (chat !== undefined) this.chat = chat.after;
      if (removeChat === true) this.chat = undefined;
    }
  }
}

function contentOf({ kind, text, metadataJson, replyTo }: SendOperation): string {
  return JSON.stringify([kind, text, metadataJson, replyTo]);
}
