import type { RedisCounters } from '../redis/redis-counters.js';
import type { RateLimiter } from './rate-limiter.js';

/** Between two rounds, as a share of the window. */
const ROUNDS_PER_WINDOW = 10;

/** Longest and shortest time between two rounds. */
const MAX_PAUSE_MS = 100;
const MIN_PAUSE_MS = 10;

/** Before the keys of counters, which are callers. */
const KEY_PREFIX = 'scrollback:rate:';

/**
 * Adds up in Redis what several instances have let in. Requests do not wait for it: each instance decides by the last sum and what it has let in
 * since, so that all together let in at most what arrives within one pause more than the limit. Asking Redis for every request would be exact
 * and cost each of them more than a cached answer takes. While Redis is away each instance limits by what it has seen itself.
 */
export class RateSharing {
  readonly #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limiter: RateLimiter,
    private readonly counters: RedisCounters,
  ) {
    this.#pauseMs = Math.max(MIN_PAUSE_MS, Math.min(MAX_PAUSE_MS, limiter.windowMs / ROUNDS_PER_WINDOW));
  }

  /** Begins to share. */
  start(): void {
    this.#timer = setTimeout(() => {
      void this.share().finally(() => {
        if (this.#timer !== undefined) this.start();
      });
    }, this.#pauseMs);
    this.#timer.unref();
  }

  /** Shares what has been let in since the last time. Never rejects. */
  async share(): Promise<void> {
    const windows = this.limiter.takeUnshared();
    if (windows.length === 0) return;
    const sent = windows.map(({ sharing }) => sharing);
    const additions = windows.map(({ key }, at) => ({ key: KEY_PREFIX + key, by: sent[at]! }));
    const states = await this.counters.add(additions, this.limiter.windowMs);
    windows.forEach((window, at) => this.limiter.noteShared(window, sent[at]!, states?.[at]));
  }

  /** Ends it. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.counters.close();
  }
}
