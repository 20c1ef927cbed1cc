import type { ChatKind } from './entities/chat.entity.js';
import type { MessageKind } from './entities/message.entity.js';
import type { ParticipantRole } from './entities/participant.entity.js';

/** A line of `users.jsonl`, checked. */
export interface UserLine {
  readonly userId: string;
  readonly name: string | null;
  readonly metadataJson: string | null;
}

/** A participant as a line of `chats.jsonl` lists them. */
export interface ParticipantLine {
  readonly userId: string;
  readonly role: ParticipantRole;
  readonly joinedAtMs: number;
  readonly leftAtMs: number | null;
  readonly lastReadSeq: number;
}

/** A line of `chats.jsonl`, checked. */
export interface ChatLine {
  readonly chatId: string;
  readonly kind: ChatKind;
  readonly title: string | null;
  readonly metadataJson: string;
  readonly createdBy: string | null;
  readonly createdAtMs: number;
  /** The file does not tell when the chat was created: `createdAtMs` is the time of the import, until a message of it is older. */
  readonly isUndated?: boolean;
  readonly updatedAtMs: number;
  /**
   * Where the chat's line ends, if messages are missing in it because they have been purged; `null` when none is.
   */
  readonly lastSeq: number | null;
  /** `undefined`: the people who wrote become participants. */
  readonly participants: readonly ParticipantLine[] | undefined;
}

/** A reaction as a line of `messages.jsonl` lists it. */
export interface ReactionLine {
  readonly userId: string;
  readonly emoji: string;
  readonly atMs: number;
}

/** A line of `messages.jsonl`, checked. */
export interface MessageLine {
  readonly chatId: string;
  /** `null`: the next one. */
  readonly seq: number | null;
  readonly senderId: string;
  /** `null` if deleted. */
  readonly text: string | null;
  readonly clientId: string | null;
  readonly kind: MessageKind;
  readonly metadataJson: string | null;
  readonly replyTo: number | null;
  readonly createdAtMs: number;
  readonly editedAtMs: number | null;
  readonly deletedAtMs: number | null;
  readonly reactions: readonly ReactionLine[];
}
