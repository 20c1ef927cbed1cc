import type { ChatOperation } from './chat-operation.js';

/**
 * Names the row or client id that an operation is about, so that one batch holds each at most once: what is read under
 * the lock is then still true when the operation is decided. `undefined` means that nothing in the chat can get in its
 * way, or that deciding keeps account of what does: read markers follow each other, and messages and deletions change what
 * is unread (`unread-tally.ts`). {@link ALONE} means that it shares its transaction with no other operation of the chat.
 */
export function batchKey(operation: ChatOperation): string | typeof ALONE | undefined {
  switch (operation.type) {
    case 'send':
      return operation.clientId === null ? undefined : `client ${operation.senderId}\u0000${operation.clientId}`;
    case 'edit':
    case 'delete':
    case 'react':
      return `message ${operation.seq}`;
    case 'markRead':
      return undefined;
    case 'join':
    case 'leave':
    case 'update':
    case 'remove':
      return ALONE;
  }
}

/** Marks operations that decide what the chat's other operations may do. */
export const ALONE = Symbol('alone');

/**
 * Takes from the front of a chat's queue what fits into one batch, and leaves the rest, in order.
 *
 * @param queue - operations of one chat, oldest first; shortened by what is taken.
 * @param limit - how many to take at most; at least 1.
 */
export function takeBatch<Entry extends { readonly operation: ChatOperation }>(queue: Entry[], limit: number): Entry[] {
  const keys = new Set<string>();
  let taken = 0;
  while (taken < queue.length && taken < limit) {
    const key = batchKey(queue[taken]!.operation);
    if (key === ALONE) {
      if (taken === 0) taken = 1;
      break;
    }
    if (key !== undefined) {
      if (keys.has(key)) break;
      keys.add(key);
    }
    taken++;
  }
  return queue.splice(0, taken);
}
