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

/** Finds the run of seqs that a query means in a chat whose last message is `lastSeq`. */
export function pageRange(query: PageQuery, lastSeq: number): SeqRange {
  const { before, after, around, limit } = query;
  if (after !== undefined) {
    return { fromSeq: after + 1, toSeq: Math.min(lastSeq, after + limit) };
  }
  if (around !== undefined) {
    const centre = Math.min(Math.max(around, 1), Math.max(lastSeq, 1));
    const toSeq = Math.min(lastSeq, Math.max(1, centre - Math.floor(limit / 2)) + limit - 1);
    return { fromSeq: Math.max(1, toSeq - limit + 1), toSeq };
  }
  const toSeq = Math.min(lastSeq, (before ?? lastSeq + 1) - 1);
  return { fromSeq: Math.max(1, toSeq - limit + 1), toSeq };
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
  if (around !== 'firstUnread') return pageRange({ before, after, around, limit }, entry.lastSeq);
  const member = query.reader === undefined ? undefined : entry.members.get(query.reader);
  const firstUnread = (member?.lastReadSeq ?? entry.lastSeq) + 1;
  return pageRange(firstUnread > entry.lastSeq ? { limit } : { around: firstUnread, limit }, entry.lastSeq);
}
