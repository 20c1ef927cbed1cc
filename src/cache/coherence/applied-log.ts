/** Where versions of entries come from. */
export const APPLIED_FROM = ['own', 'bus', 'repair', 'fill', 'warm', 'shared'] as const;

/** Where a version of an entry came from. */
export type AppliedFrom = (typeof APPLIED_FROM)[number];

/** One step of what is held of a chat. */
export interface AppliedChange {
  readonly chatId: string;
  readonly version: number;
  /** What it was: a kind of change, or how the chat was read. */
  readonly kind: string;
  readonly from: AppliedFrom;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Steps remembered of all chats together: some seconds' worth of a busy instance. */
const KEPT = 4096;

/** Remembers the last steps of everything held, so that somebody who doubts an answer can see how it came about. */
export class AppliedLog {
  readonly #ring: AppliedChange[] = [];
  #next = 0;

  /** Remembers a step. O(1). */
  note(chatId: string, version: number, kind: string, from: AppliedFrom): void {
    const step = { chatId, version, kind, from, atMs: Date.now() };
    if (this.#ring.length < KEPT) this.#ring.push(step);
    else this.#ring[this.#next] = step;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** The last steps of a chat, the newest first. O(steps remembered). */
  of(chatId: string, limit: number): AppliedChange[] {
    const found: AppliedChange[] = [];
    for (let back = 1; back <= this.#ring.length && found.length < limit; back++) {
      const step = this.#ring[(this.#next - back + 2 * KEPT) % KEPT];
      if (step?.chatId === chatId) found.push(step);
    }
    return found;
  }
}
