import type { CachedJson } from '../cached-json.js';
import type { WireInbox } from '../wire-types.js';

/**
 * Whether two answers about one chat contradict each other: they are of one version and not equal. Answers of different versions
 * were read at different times, which is no fault; nor is it one that a chat or a message is there for the one and not for the other.
 */
export function isDivergent<T>(
  cached: CachedJson<T> | string | undefined,
  stored: CachedJson<T> | string | undefined,
): boolean {
  if (typeof cached !== 'object' || typeof stored !== 'object') return false;
  const isSameTime = cached.version === stored.version;
  return isSameTime && !cached.toBuffer().equals(stored.toBuffer());
}

/** The same of two inboxes, chat by chat. Chats that are in one only have moved, or were left, in between. */
export function isInboxDivergent(cached: CachedJson<WireInbox>, stored: CachedJson<WireInbox>): boolean {
  const storedItems = new Map(stored.value.items.map((item) => [item.chat.id, item]));
  return cached.value.items.some((item) => {
    const other = storedItems.get(item.chat.id);
    return item.chat.version === other?.chat.version && JSON.stringify(item) !== JSON.stringify(other);
  });
}
