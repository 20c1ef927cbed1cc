/**
 * Between two sends. What is published on a quiet bus goes out at once; what follows waits for more to go along: each NOTIFY takes a lock
 * of the whole PostgreSQL, and each send costs the writer, the server and every peer, however little it brings.
 */
const COALESCE_MS = 2;

/** Between two sends while the bus is busy. Longer would gain little more, and be felt. */
const BUSY_COALESCE_MS = 8;

/** Sets of changes in a millisecond above which the bus is busy: that long a wait takes most sends away then, and few below. */
const BUSY_PER_MS = 4;

/** Decides when a bus may send again: the sooner, the less has come since it did. */
export class Pace {
  #waitMs = COALESCE_MS;
  #sentAtMs = -Infinity;
  #published = 0;

  /** Milliseconds until the next send; none are left when it is not positive. */
  restMs(nowMs: number): number {
    return this.#sentAtMs + this.#waitMs - nowMs;
  }

  /**
   * Takes note of a send.
   *
   * @param published - sets of changes that were published so far, ever.
   */
  noteSend(nowMs: number, published: number): void {
    const isBusy = published - this.#published > (nowMs - this.#sentAtMs) * BUSY_PER_MS;
    this.#waitMs = isBusy ? BUSY_COALESCE_MS : COALESCE_MS;
    this.#published = published;
    this.#sentAtMs = nowMs;
  }
}
