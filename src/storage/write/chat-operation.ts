import type { MessageKind } from '../entities/message.entity.js';
import type { ParticipantRole } from '../entities/participant.entity.js';
import type { MessageRecord, ParticipantRecord } from '../records.js';

/** On whose behalf a write happens: the host's backend, which may do everything, or a user bound by their role. */
export type Actor = (
  | { readonly type: 'service'; readonly userId?: string | undefined }
  | { readonly type: 'user'; readonly userId: string }
) & {
  /** Id of the request that asks for it, for the log; `undefined` where there is none. */
  readonly requestId?: string | undefined;
};

interface Operation {
  readonly chatId: string;
  readonly actor: Actor;
}

/** Writes a message at the end of the line. */
export interface SendOperation extends Operation {
  readonly type: 'send';
  readonly senderId: string;
  readonly text: string;
  readonly kind: MessageKind;
  readonly clientId: string | null;
  /** JSON object, or `null` for none. */
  readonly metadataJson: string | null;
  readonly replyTo: number | null;
  /** `null` takes the database's clock. */
  readonly createdAtMs: number | null;
}

/** Replaces the text or metadata of a message; `undefined` keeps what is there. */
export interface EditOperation extends Operation {
  readonly type: 'edit';
  readonly seq: number;
  readonly text?: string | undefined;
  readonly metadataJson?: string | null | undefined;
}

/** Turns a message into a tombstone. Idempotent. */
export interface DeleteOperation extends Operation {
  readonly type: 'delete';
  readonly seq: number;
}

/** Adds or removes one user's emoji on a message. Idempotent. */
export interface ReactOperation extends Operation {
  readonly type: 'react';
  readonly seq: number;
  readonly userId: string;
  readonly emoji: string;
  readonly present: boolean;
}

/** Moves a user's read marker forward; a seq behind it changes nothing. */
export interface MarkReadOperation extends Operation {
  readonly type: 'markRead';
  readonly userId: string;
  readonly seq: number;
}

/** Adds a user, brings one back, or changes a role. */
export interface JoinOperation extends Operation {
  readonly type: 'join';
  readonly userId: string;
  /** `undefined` is `member` for a new participant and no change for a present one. */
  readonly role?: ParticipantRole | undefined;
}

/** Takes a user out. Their row stays. Idempotent. */
export interface LeaveOperation extends Operation {
  readonly type: 'leave';
  readonly userId: string;
}

/** Changes the chat's own fields; `undefined` keeps what is there. */
export interface UpdateOperation extends Operation {
  readonly type: 'update';
  readonly title?: string | null | undefined;
  readonly metadataJson?: string | undefined;
}

/** Deletes the chat. Its rows stay for the database's owner; the API shows it to nobody. */
export interface RemoveOperation extends Operation {
  readonly type: 'remove';
}

/** Everything that changes an existing chat. All of it goes through the group commit. */
export type ChatOperation =
  | SendOperation
  | EditOperation
  | DeleteOperation
  | ReactOperation
  | MarkReadOperation
  | JoinOperation
  | LeaveOperation
  | UpdateOperation
  | RemoveOperation;

/** What a committed operation came to. `version` is the chat's version after it. */
export interface OperationResult {
  readonly version: number;
  /** The message as it is now (send, edit). */
  readonly message?: MessageRecord;
  /** True when a send was the repetition of an earlier one, which `message` is. */
  readonly replayed?: boolean;
  /** The participant as they are now (join, markRead). */
  readonly participant?: ParticipantRecord;
  /** True when a join added somebody who was not in the chat. */
  readonly isNew?: boolean;
  /** Unread messages after a markRead. */
  readonly unread?: number;
}
