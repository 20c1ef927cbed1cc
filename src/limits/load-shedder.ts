/** Between two looks at the event loop, in milliseconds. */
const LOOK_MS = 100;

/** Looks in a row that must find the event loop behind: one alone may be a pause of the collector. */
const LOOKS = 2;

/**
 * Tells when an instance has more to do than it can: requests at work are too many, as when the database hangs, or the event loop has been
 * behind for longer than a blink. What is refused then at the door costs a tenth of what it would cost inside, and those who
 * were let in are answered in time.
 */
export class LoadShedder {
  #inFlight = 0;
  #behind = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param maxInFlight - requests that may be at work at once.
   * @param maxDelayMs - how far behind the event loop may run; 0: any time.
   */
  constructor(
    private readonly maxInFlight: number,
    private readonly maxDelayMs: number,
  ) {}

  /** Whether requests are to be refused now. */
  get isOverloaded(): boolean {
    return this.#behind >= LOOKS || this.#inFlight >= this.maxInFlight;
  }

  /** Requests at work. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** A request has begun; {@link end} must follow. */
  begin(): void {
    this.#inFlight++;
  }

  /** A request has ended. */
  end(): void {
    this.#inFlight--;
  }

  /** Begins to watch the event loop. */
  start(): void {
    if (this.maxDelayMs === 0) return;
    let expectedMs = performance.now() + LOOK_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.note(now - expectedMs);
      expectedMs = now + LOOK_MS;
    }, LOOK_MS);
    this.#timer.unref();
  }

  /** Notes how far behind the event loop was at a look, in milliseconds. */
  note(delayMs: number): void {
    this.#behind = delayMs > this.maxDelayMs ? this.#behind + 1 : 0;
  }

  /** Ends it. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
