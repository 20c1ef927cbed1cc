import { isCountable, type HeadRecord } from '../records.js';
import type { Change } from './change.js';
import { unreadKey, type LockedChat } from './chat-state.js';

type MessageChange = Extract<Change, { type: 'message' }>;

/**
 * Unread counts of one chat at every version within a batch: what was counted under the lock, before the batch, and what
 * the operations of the batch decided so far add and take away. A marker's count is then of the marker's own version,
 * whatever follows it in the same transaction.
 *
 * Only messages that begin to count (sends of people) and that cease to (deletions) matter, and of those the ones behind the marker
 * that others wrote. Counting the rows once all of them are written would be wrong by what follows the marker.
 */
export class UnreadTally {
  readonly #steps: { readonly seq: number; readonly senderId: string; readonly by: 1 | -1 }[] = [];

  constructor(
    private readonly head: HeadRecord,
    private readonly locked: LockedChat,
  ) {}

  /** Takes the next change of the batch into account. */
  note({ message, wasCountable }: MessageChange): void {
    const isNow = isCountable(message);
    if (isNow === wasCountable) return;
    this.#steps.push({ seq: message.seq, senderId: message.senderId, by: isNow ? 1 : -1 });
  }

  /**
   * Counts a user's unread messages, were their read marker at a seq. O(changes noted).
   *
   * @throws Error when the count before the batch was not read.
   */
  count(userId: string, lastReadSeq: number): number {
    let unread = this.#countBefore(userId, lastReadSeq);
    for (const { seq, senderId, by } of this.#steps) if (seq > lastReadSeq && senderId !== userId) unread += by;
    return unread;
  }

  #countBefore(userId: string, lastReadSeq: number): number {
    if (lastReadSeq >= this.head.lastSeq) return 0;
    const unread = this.locked.unread.get(unreadKey(userId, lastReadSeq));
    if (unread === undefined) throw new Error(`Unread messages after ${lastReadSeq} were not counted.`);
    return unread;
  }
}
