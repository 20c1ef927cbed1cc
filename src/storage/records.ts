import type { ChatKind } from './entities/chat.entity.js';
import type { MessageKind } from './entities/message.entity.js';
import type { ParticipantRole } from './entities/participant.entity.js';

/** The row of `chat`, as the hot path holds it. Times are milliseconds since 1970; JSON stays text. */
export interface ChatRecord {
  readonly id: string;
  readonly kind: ChatKind;
  readonly title: string | null;
  /** JSON object, without white space, in the database's key order. */
  readonly metadataJson: string;
  readonly createdBy: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** The row of `chat_head`. */
export interface HeadRecord {
  readonly lastSeq: number;
  readonly version: number;
  readonly resetVersion: number;
}

/** A row of `participant`. */
export interface ParticipantRecord {
  readonly userId: string;
  readonly role: ParticipantRole;
  readonly joinedAtMs: number;
  /** `null` while the user is in the chat. */
  readonly leftAtMs: number | null;
  readonly lastReadSeq: number;
  /** Chat version at which this row last changed. */
  readonly version: number;
}

/** Reactions with one emoji on one message. */
export interface ReactionSummary {
  readonly emoji: string;
  readonly count: number;
  /** The first 20, in the order they reacted. */
  readonly userIds: readonly string[];
}

/** A row of `message` with its reactions: everything its JSON is made of. */
export interface MessageRecord {
  readonly seq: number;
  /** Chat version at which this row last changed. */
  readonly version: number;
  readonly senderId: string;
  readonly clientId: string | null;
  readonly kind: MessageKind;
  /** `null` once deleted. */
  readonly text: string | null;
  /** JSON object without white space, or `null` for none. */
  readonly metadataJson: string | null;
  readonly replyTo: number | null;
  readonly createdAtMs: number;
  readonly editedAtMs: number | null;
  readonly deletedAtMs: number | null;
  readonly reactions: readonly ReactionSummary[];
}

/** Whether a message counts as unread for others: people wrote it and it is not deleted. */
export function isCountable(message: MessageRecord): boolean {
  return message.kind === 'user' && message.deletedAtMs === null;
}
