import type { ChatRecord, MessageRecord, ParticipantRecord } from '../records.js';

/**
 * One step of a chat's version, with the present state of what it changed. A cached entry at `version - 1` becomes
 * correct at `version` by applying it.
 */
export type Change =
  | {
      readonly type: 'message';
      readonly version: number;
      readonly cause: 'sent' | 'edited' | 'deleted' | 'reacted';
      readonly message: MessageRecord;
      /** Whether it counted as unread for others before this change. */
      readonly wasCountable: boolean;
    }
  | {
      readonly type: 'participant';
      readonly version: number;
      readonly cause: 'joined' | 'changed' | 'left' | 'read';
      readonly participant: ParticipantRecord;
      /** Unread messages of the participant after the change; only with cause `read`. */
      readonly unread?: number;
    }
  | { readonly type: 'chat'; readonly version: number; readonly chat: ChatRecord }
  | { readonly type: 'created'; readonly version: number; readonly userIds: readonly string[] }
  | { readonly type: 'removed'; readonly version: number };

/** The changes of one chat in one transaction: versions without a gap, ascending. */
export interface ChatChanges {
  readonly chatId: string;
  readonly changes: readonly Change[];
}

declare const committedBrand: unique symbol;

/**
 * A value that is known to be committed. Only {@link asCommitted}, which the commit path alone may call (a test holds
 * to that), makes one: the compiler refuses to cache anything else.
 */
export type Committed<T> = T & { readonly [committedBrand]: true };

/** Marks a value as committed. To be called after COMMIT was answered and nowhere else. */
export function asCommitted<T>(value: T): Committed<T> {
  return value as Committed<T>;
}
