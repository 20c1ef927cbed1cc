import type { HeadPoll } from '../../storage/head-repository.js';
import type { Moment } from './lease.js';

/**
 * After this long the server has on its disk that a transaction is over, however it ended. One that commits without waiting for the disk, or
 * takes its changes back, is written by the WAL writer within three of its rounds, of 10 s each at most (`wal_writer_delay`). Too low and
 * a change could be missed after a crash; higher only makes the one look after it find more.
 */
const DURABLE_AFTER_MS = 60_000;

/** Between two horizons that are kept. */
const KEPT_EVERY_MS = 1000;

interface KeptHorizon {
  readonly horizon: string;
  /** When the look at it had been answered. */
  readonly answeredAt: Moment;
}

/**
 * Tells whether the server has run without a break since the last look, and from which horizon to look where it may not have.
 *
 * A horizon says that all transactions with lower ids are over. When the server crashes, it forgets those that were over and not on
 * its disk yet, and gives their ids to others: a change that is made then can be behind a horizon from before. What was committed without
 * waiting for the disk is gone, although it was seen. So after a break the next look begins at a horizon that is so old that the disk
 * had it.
 */
export class Continuity {
  #run: string | undefined;
  /** Oldest first; the first is old enough where any is. */
  #kept: KeptHorizon[] = [];
  #lookedAt: Moment | undefined;

  /** Whether the server is in the run of the last look; before the first, there is nothing to break. */
  isUnbroken({ run }: HeadPoll): boolean {
    return this.#run === undefined || run === this.#run;
  }

  /** The newest kept horizon that the server had on its disk when it last answered; `undefined` when it has not run for so long. */
  get durableHorizon(): string | undefined {
    const [oldest] = this.#kept;
    if (oldest === undefined || this.#lookedAt === undefined) return undefined;
    return isDurable(oldest, this.#lookedAt) ? oldest.horizon : undefined;
  }

  /** Notes a look that has succeeded. */
  note({ horizon, run }: HeadPoll, start: Moment, answeredAt: Moment): void {
    // What was not on the disk when the run before this one ended will not get there: its ids may be given out again.
    if (run !== this.#run) this.#kept.splice(1);
    this.#run = run;
    this.#lookedAt = start;
    const last = this.#kept.at(-1);
    if (last === undefined || answeredAt.monotonicMs - last.answeredAt.monotonicMs >= KEPT_EVERY_MS) {
      this.#kept.push({ horizon, answeredAt });
    }
    while (this.#kept.length > 1 && isDurable(this.#kept[1]!, start)) this.#kept.shift();
  }

  /** Begins anew: horizons are of one history, and of one run of the server. */
  reset(): void {
    this.#kept = [];
    this.#lookedAt = undefined;
    this.#run = undefined;
  }
}

/** By the clock that stands still while a machine is suspended: less time may have gone by there than elsewhere, never more. */
function isDurable({ answeredAt }: KeptHorizon, at: Moment): boolean {
  return at.monotonicMs - answeredAt.monotonicMs >= DURABLE_AFTER_MS;
}
