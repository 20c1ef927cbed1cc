import type { ChatOperation } from './chat-operation.js';
import { reactionKey } from './chat-state.js';

/** What an operation needs for itself in a batch. */
export interface BatchKeys {
  /** A row or a client id that no other operation of the batch may be about. */
  readonly own: string;
  /** A row that it shares with operations of its kind, and with none that has it as {@link own}. */
  readonly shared?: string;
}

/**
 * Names the row or client id that an operation is about, so that one batch holds each at most once: what is read under
 * the lock is then still true when the operation is decided. `undefined` means that nothing in the chat can get in its
 * way, or that deciding keeps account of what does: read markers follow each other, and messages and deletions change what
 * is unread (`unread-tally.ts`). Reactions share their message: each is a row of its own, and deciding keeps account of what they add up
 * to. {@link ALONE} means that it shares its transaction with no other operation of the chat.
 */
export function batchKeys(operation: ChatOperation): BatchKeys | typeof ALONE | undefined {
  switch (operation.type) {
    case 'send':
      if (operation.clientId === null) return undefined;
      return { own: `client ${operation.senderId}\u0000${operation.clientId}` };
    case 'edit':
    case 'delete':
      return { own: messageKey(operation.seq) };
    case 'react': {
      const { seq, userId, emoji } = operation;
      return { own: `reaction ${reactionKey(seq, userId, emoji)}`, shared: messageKey(seq) };
    }
    case 'markRead':
      return undefined;
    case 'join':
    case 'leave':
    case 'update':
    case 'remove':
      return ALONE;
  }
}

function messageKey(seq: number): string {
  return `message ${seq}`;
}

/**
 * Operations of a batch that share a row. Each tells the whole message to caches and peers, with all its reactions: too many, and
 * what is told of one batch is large; too few, and a popular message pays for many commits.
 */
const SHARERS_LIMIT = 64;

/** Marks operations that decide what the chat's other operations may do. */
export const ALONE = Symbol('alone');

/**
 * Takes from the front of a chat's queue what fits into one batch, and leaves the rest, in order.
 *
 * @param queue - operations of one chat, oldest first; shortened by what is taken.
 * @param limit - how many to take at most; at least 1.
 */
export function takeBatch<Entry extends { readonly operation: ChatOperation }>(queue: Entry[], limit: number): Entry[] {
  const own = new Set<string>();
  /** How many operations share a row. */
  const sharing = new Map<string, number>();
  let taken = 0;
  while (taken < queue.length && taken < limit) {
    const keys = batchKeys(queue[taken]!.operation);
    if (keys === ALONE) {
      if (taken === 0) taken = 1;
      break;
    }
    if (keys !== undefined) {
      if (own.has(keys.own) || sharing.has(keys.own)) break;
      own.add(keys.own);
      if (keys.shared !== undefined) {
        const sharers = sharing.get(keys.shared) ?? 0;
        if (own.has(keys.shared) || sharers === SHARERS_LIMIT) break;
        sharing.set(keys.shared, sharers + 1);
      }
    }
    taken++;
  }
  return queue.splice(0, taken);
}
