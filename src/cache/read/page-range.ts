import type { ChatEntry } from '../local/chat-entry.js';

/** Which messages of a chat are wanted. At most one of `before`, `after` and `around`; none: the latest. */
export interface PageQuery {
  /** Messages with a lower seq than this. */
  readonly before?: number | undefined;
  /** Messages with a higher seq than this. */
  readonly after?: number | undefined;
  /** Messages around this seq. */
  readonly around?: number | undefined;
  /** How many at most; 1 to 200. */
  readonly limit: number;
}

/** A run of seqs, both ends included. Empty when `toSeq` is less than `fromSeq`. */
export interface SeqRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

/**
 * Finds the run of seqs that a query means in a chat whose last message is `lastSeq`.
 *
 * @param firstSeq - lowest seq that has a message; one more than the last when none has.
 */
export function pageRange(query: PageQuery, lastSeq: number, firstSeq = 1): SeqRange {
  const { before, after, around, limit } = query;
  if (after !== undefined) {
    const fromSeq = Math.max(firstSeq, after + 1);
    return { fromSeq, toSeq: Math.min(lastSeq, fromSeq + limit - 1) };
  }
  if (around !== undefined) {
    const centre = Math.min(Math.max(around, firstSeq), Math.max(lastSeq, firstSeq));
    const toSeq = Math.min(lastSeq, Math.max(firstSeq, centre - Math.floor(limit / 2)) + limit - 1);
    return { fromSeq: Math.max(firstSeq, toSeq - limit + 1), toSeq };
  }
  const toSeq = Math.min(lastSeq, (before ?? lastSeq + 1) - 1);
  return { fromSeq: Math.max(firstSeq, toSeq - limit + 1), toSeq };
}

/** Messages of a page when the caller does not say. */
export const DEFAULT_PAGE_LIMIT = 50;

/** Which messages, with the place that depends on the reader. */
export interface MessagesQuery {
  /** Messages with a lower seq than this. */
  readonly before?: number | undefined;
  /** Messages with a higher seq than this. */
  readonly after?: number | undefined;
  /** Messages around a seq, or around the first one that `reader` has not read. */
  readonly around?: number | 'firstUnread' | undefined;
  /** How many at most; 1 to 200, default 50. */
  readonly limit?: number | undefined;
  /** Whose read marker `firstUnread` means. */
  readonly reader?: string | undefined;
}

/** Finds the run of seqs that a query means in a chat. Who has read everything, or is not in the chat, gets the latest. */
export function rangeOf(query: MessagesQuery, entry: ChatEntry): SeqRange {
  const { before, after, around, limit = DEFAULT_PAGE_LIMIT } = query;
  if (around !== 'firstUnread') return pageRange({ before, after, around, limit }, entry.lastSeq, entry.firstSeq);
  const member = query.reader === undefined ? undefined : entry.members.get(query.reader);
  const firstUnread = (member?.lastReadSeq ?? entry.lastSeq) + 1;
  const place = firstUnread > entry.lastSeq ? { limit } : { around: firstUnread, limit };
  return pageRange(place, entry.lastSeq, entry.firstSeq);
}
