import type { Actor } from '../storage/write/chat-operation.js';
import { invalidField } from '../common/scrollback-error.js';

/**
 * Who calls. A service may do everything and may act for a user; a user sees the chats that they are in and is bound by
 * their role.
 */
export type Caller = Actor & {
  /** The name of a service's key; `undefined` for users, and where nobody has to prove anything. */
  readonly keyName?: string | undefined;
};

/**
 * A caller as one request has them.
 *
 * @remarks Written out, as everything is that each request makes: `{ ...caller, requestId }` would have a hidden class of its own (docs/decisions.md).
 */
export function withRequestId({ type, userId, keyName }: Caller, requestId: string): Caller {
  return { type, userId, keyName, requestId } as Caller;
}

/** A service that acts for a user. */
export function actingFor(userId: string, { keyName, requestId }: Caller): Caller {
  return { type: 'service', userId, keyName, requestId };
}

/** The user that the caller acts for, or is. */
export function actingUser(caller: Caller): string | undefined {
  return caller.userId;
}

/**
 * The user that the caller acts for, or is.
 *
 * @throws ScrollbackError `invalid_input` for a service that acts for nobody.
 */
export function requireActingUser(caller: Caller): string {
  if (caller.userId === undefined) {
    throw invalidField('X-User-Id', 'must name the user that this is done for');
  }
  return caller.userId;
}

/** The user whose view of chats the caller has; `undefined` for a service, which sees all. */
export function viewerOf(caller: Caller): string | undefined {
  return caller.type === 'user' ? caller.userId : undefined;
}
