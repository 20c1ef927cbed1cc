import type { ScrollbackError } from '../../common/scrollback-error.js';
import type { ChatRecord, MessageRecord, ParticipantRecord } from '../records.js';
import type { Change } from './change.js';
import type { ChatOperation, OperationResult, SendOperation } from './chat-operation.js';

/** A message that already holds a send's client id. */
export interface ClientIdMatch {
  readonly seq: number;
  /** Whether its first content equals what is sent now. */
  readonly sameContent: boolean;
}

/** What the deciding step may know of a chat: read after its head was locked, so nothing of it can change meanwhile. */
export interface LockedChat {
  readonly chatId: string;
  /** `undefined` when the chat does not exist or is deleted. */
  readonly chat: ChatRecord | undefined;
  readonly nowMs: number;
  readonly participants: ReadonlyMap<string, ParticipantRecord>;
  readonly messages: ReadonlyMap<number, MessageRecord>;
  readonly clientIds: ReadonlyMap<string, ClientIdMatch>;
  /** Emoji on messages, as `seq userId emoji` keys of {@link reactionKey}. */
  readonly reactions: ReadonlySet<string>;
  /** Unread messages of users from a read marker on, by {@link unreadKey}; of markers before the last message. */
  readonly unread: ReadonlyMap<string, number>;
  /** Active owners; counted only for operations that may take one away. */
  readonly ownerCount: number;
  /** Active participants; counted like owners. */
  readonly participantCount: number;
}

/** What the rows of one decided operation become. Exactly one member is set; none for an operation without effect. */
export interface RowWrites {
  readonly insert?: MessageRecord;
  readonly edit?: { readonly before: MessageRecord; readonly after: MessageRecord };
  readonly tombstone?: MessageRecord;
  readonly react?: { readonly seq: number; readonly userId: string; readonly emoji: string; readonly present: boolean };
  readonly participant?: ParticipantRecord;
  /** Only the read marker of a participant. */
  readonly marker?: ParticipantRecord;
  readonly chat?: { readonly before: ChatRecord; readonly after: ChatRecord };
  readonly removeChat?: true;
}

/** The outcome of deciding one operation: refused, or a result with what to write and announce. */
export type Decision =
  | { readonly operation: ChatOperation; readonly error: ScrollbackError }
  | {
      readonly operation: ChatOperation;
      readonly result: OperationResult;
      readonly writes?: RowWrites;
      readonly change?: Change;
    };

/** The key of a send's client id among the sends of one chat. */
export function clientIdKey(operation: Pick<SendOperation, 'senderId' | 'clientId'>): string {
  return `${operation.senderId}\u0000${operation.clientId}`;
}

/** The key of one user's emoji on one message of a chat. */
export function reactionKey(seq: number, userId: string, emoji: string): string {
  return `${seq}\u0000${userId}\u0000${emoji}`;
}

/** The key of a user's unread messages when their read marker stands at a seq. */
export function unreadKey(userId: string, lastReadSeq: number): string {
  return `${lastReadSeq}\u0000${userId}`;
}
