/** Callers whose windows are kept; past it the one that began first is forgotten. */
const MAX_WINDOWS = 100_000;

/** What is known of one caller's window. */
export interface RateWindow {
  readonly key: string;
  endsAtMs: number;
  /** Requests in it as far as they have been shared, by every instance. */
  shared: number;
  /** Requests on their way to be shared. */
  sharing: number;
  /** Requests here that have not been shared yet. */
  own: number;
}

/** The answer to a caller who asks to be let in. */
export interface Admission {
  readonly isAdmitted: boolean;
  /** Requests that the window has left. */
  readonly remaining: number;
  /** Milliseconds until the caller's window ends. */
  readonly restMs: number;
}

/**
 * Counts requests of each caller in windows that begin with the caller's first request. Deciding is a look-up in memory, O(1), so that
 * a cached answer pays some ten nanoseconds for it; what several instances count together comes afterwards (`rate-sharing.ts`). What is
 * refused does not count: who is over the limit is let in again when the window ends, however often they ask.
 */
export class RateLimiter {
  /** In the order in which windows began, which is that in which they end but for those moved by sharing. */
  readonly #windows = new Map<string, RateWindow>();
  readonly #unshared = new Set<RateWindow>();

  /**
   * @param max - requests of one caller in a window.
   * @param windowMs - its length.
   */
  constructor(
    readonly max: number,
    readonly windowMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Callers whose windows are kept. */
  get size(): number {
    return this.#windows.size;
  }

  /** Lets a request in, and counts it, unless the caller's window is full. */
  admit(key: string): Admission {
    const now = this.now();
    const window = this.#find(key, now) ?? this.#begin(key, now);
    const remaining = this.max - window.shared - window.sharing - window.own;
    const restMs = window.endsAtMs - now;
    if (remaining <= 0) return { isAdmitted: false, remaining: 0, restMs };
    window.own++;
    this.#unshared.add(window);
    return { isAdmitted: true, remaining: remaining - 1, restMs };
  }

  /** What {@link admit} would say, without counting. */
  look(key: string): Admission {
    const now = this.now();
    const window = this.#find(key, now);
    if (window === undefined) return { isAdmitted: true, remaining: this.max, restMs: this.windowMs };
    const remaining = Math.max(0, this.max - window.shared - window.sharing - window.own);
    return { isAdmitted: remaining > 0, remaining, restMs: window.endsAtMs - now };
  }

  /** Takes the windows with requests that have not been shared; their requests count as on their way. */
  takeUnshared(): RateWindow[] {
    const taken = [...this.#unshared].filter((window) => this.#windows.get(window.key) === window);
    this.#unshared.clear();
    for (const window of taken) {
      window.sharing += window.own;
      window.own = 0;
    }
    return taken;
  }

  /**
   * Notes what came of sharing.
   *
   * @param sent - requests of the window that were on their way.
   * @param state - what all instances have counted; `undefined`: nobody knows, and what was counted here stands.
   */
  noteShared(
    window: RateWindow,
    sent: number,
    state: { readonly total: number; readonly restMs: number } | undefined,
  ): void {
    window.sharing -= sent;
    if (state === undefined) {
      window.shared += sent;
      return;
    }
    window.shared = state.total;
    window.endsAtMs = Math.min(this.now() + state.restMs, window.endsAtMs + this.windowMs);
  }

  #find(key: string, now: number): RateWindow | undefined {
    const window = this.#windows.get(key);
    if (window === undefined || now < window.endsAtMs) return window;
    this.#windows.delete(key);
    return undefined;
  }

  #begin(key: string, now: number): RateWindow {
    this.#forgetEnded(now);
    const window = { key, endsAtMs: now + this.windowMs, shared: 0, sharing: 0, own: 0 };
    this.#windows.set(key, window);
    return window;
  }

  /** What has ended goes whenever something begins: two for one, so that they never pile up. */
  #forgetEnded(now: number): void {
    let looks = 2;
    for (const [key, window] of this.#windows) {
      if (now < window.endsAtMs && this.#windows.size < MAX_WINDOWS) return;
      this.#windows.delete(key);
      if (--looks === 0) return;
    }
  }
}
