/** A moment by both clocks of the machine, in milliseconds: neither alone can be trusted. */
export interface Moment {
  /** Stands still while the machine is suspended. */
  readonly monotonicMs: number;
  /** Jumps when somebody sets it. */
  readonly wallMs: number;
}

/** Tells the present moment. */
export type Clock = () => Moment;

/** The machine's clocks. */
export const systemClock: Clock = () => ({ monotonicMs: performance.now(), wallMs: Date.now() });

/**
 * Until when what is held may be told as fresh: a time after the **start** of the last good poll, since what was committed while it ran
 * may not be in it. The larger of the two clocks' differences counts, so that a process that was stopped and a machine that was
 * suspended both notice.
 *
 * While the lease has run out, single chats can be confirmed by asking the database for their versions.
 */
export class Lease {
  #confirmedAt: Moment | undefined;
  /** Chats confirmed by themselves; of use only while in doubt. */
  #chats = new WeakMap<object, Moment>();

  constructor(
    /** How old an answer may be at most. */
    readonly boundMs: number,
    readonly now: Clock = systemClock,
  ) {}

  /** Whether it has run out: nothing held may be told as fresh, but for what was confirmed by itself. */
  get isInDoubt(): boolean {
    return this.#confirmedAt === undefined || this.ageMs(this.#confirmedAt) > this.boundMs;
  }

  /** Milliseconds since the start of the last good poll, `undefined` before the first. */
  get lastConfirmedMs(): number | undefined {
    return this.#confirmedAt === undefined ? undefined : this.ageMs(this.#confirmedAt);
  }

  /** Everything held was up to date at a moment: the start of a poll that has succeeded. */
  confirm(start: Moment): void {
    this.#confirmedAt = start;
  }

  /** What is held of one chat, or is on its way, was up to date at a moment: the start of a query that has found its version. */
  confirmChat(entry: object, start: Moment): void {
    this.#chats.set(entry, start);
  }

  /** Whether what is held of one chat may be told as fresh. */
  covers(entry: object): boolean {
    if (!this.isInDoubt) return true;
    const confirmedAt = this.#chats.get(entry);
    return confirmedAt !== undefined && this.ageMs(confirmedAt) <= this.boundMs;
  }

  /** Nothing is confirmed any more. */
  revoke(): void {
    this.#confirmedAt = undefined;
    this.#chats = new WeakMap();
  }

  /** Milliseconds since a moment, by the clock that says more. */
  private ageMs(moment: Moment): number {
    const now = this.now();
    return Math.max(now.monotonicMs - moment.monotonicMs, now.wallMs - moment.wallMs);
  }
}
