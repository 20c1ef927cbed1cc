import type { ChatKind } from '../storage/entities/chat.entity.js';
import type { ParticipantRole } from '../storage/entities/participant.entity.js';

/** A message as the API sends it. */
export interface WireMessage {
  readonly seq: number;
  readonly senderId: string;
  readonly createdAt: string;
  readonly clientId?: string;
  readonly kind?: 'system';
  readonly text?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly replyTo?: number;
  readonly reactions?: readonly WireReaction[];
  readonly editedAt?: string;
  readonly deleted?: true;
  readonly deletedAt?: string;
}

/** Reactions with one emoji; the first 20 users by name. */
export interface WireReaction {
  readonly emoji: string;
  readonly count: number;
  readonly userIds: readonly string[];
}

/** A run of messages, ascending by seq. */
export interface WirePage {
  readonly chatId: string;
  readonly items: readonly WireMessage[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly version: number;
}

/** The newest messages of many chats. */
export interface WireLatest {
  readonly items: readonly WirePage[];
}

/** A chat as the API sends it. */
export interface WireChat {
  readonly id: string;
  readonly kind: ChatKind;
  readonly title: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly createdBy: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly lastSeq: number;
  readonly version: number;
  readonly participantCount: number;
}

/** A participant as the API sends it. */
export interface WireParticipant {
  readonly userId: string;
  readonly role: ParticipantRole;
  readonly joinedAt: string;
  readonly lastReadSeq: number;
}

/** Participants ascending by the bytes of their user ids. */
export interface WireParticipants {
  readonly items: readonly WireParticipant[];
  /** The `after` of the next page, `null` at the end. */
  readonly nextAfter: string | null;
}

/** A part of an inbox, latest activity first. */
export interface WireInbox {
  readonly items: readonly {
    readonly chat: WireChat;
    readonly role: ParticipantRole;
    readonly lastReadSeq: number;
    readonly unread: number;
    readonly lastMessage: WireMessage | null;
  }[];
  /** The `cursor` of the next part, `null` at the end. */
  readonly nextCursor: string | null;
}

/** What changed in a chat, as it is at `version`. */
export interface WireChanges {
  readonly chatId: string;
  /** Ask again with this as `since`. */
  readonly version: number;
  /** Whether there is more to tell after `version`. */
  readonly more: boolean;
  /** The chat itself, in the last page of changes. */
  readonly chat?: WireChat;
  readonly messages: readonly WireMessage[];
  readonly participants: readonly WireParticipant[];
  /** Users who are not in the chat any more. */
  readonly left: readonly string[];
}
