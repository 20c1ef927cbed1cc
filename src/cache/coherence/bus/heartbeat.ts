/** Between two heartbeats. Fewer would let a dead link go unnoticed for longer; more would cost every peer. */
export const BEAT_MS = 500;

/** What is sent counts as arriving for this long after the sending of the newest heartbeat that has come back. */
export const SILENCE_MS = 2000;

/** Heartbeats that may stay without an answer before the link is given up. Counted, not timed: a paused process has sent none. */
const UNANSWERED_BEATS = SILENCE_MS / BEAT_MS;

/**
 * Tells by an instance's own messages coming back whether what it sends arrives. A link whose other end has gone without a word takes
 * what is sent for minutes; only an answer proves something.
 */
export class Heartbeat {
  /** When the newest beats were begun, by number. */
  readonly #begunAtMs = new Map<number, number>();
  /** Newest beat that has come back, by lane. */
  readonly #returned = new Map<number, number>();
  #number = 0;
  #openedAt = 0;

  constructor(private readonly now: () => number) {}

  /** Number of the newest beat. */
  get number(): number {
    return this.#number;
  }

  /** Begins with nothing proven: the link was opened, or lost. */
  reset(): void {
    this.#returned.clear();
    this.#begunAtMs.clear();
    this.#openedAt = this.#number;
  }

  /** Begins a beat. */
  begin(): void {
    this.#number++;
    this.#begunAtMs.set(this.#number, this.now());
    this.#begunAtMs.delete(this.#number - 4 * UNANSWERED_BEATS);
  }

  /** Notes that an own message came back, which was sent when `beat` was the newest. */
  noteReturn(lane: number, beat: number): void {
    // What was sent over a link that is gone proves nothing for this one.
    if (beat <= this.#openedAt || beat > this.#number) return;
    if (beat > (this.#returned.get(lane) ?? 0)) this.#returned.set(lane, beat);
  }

  /** Whether beats of all these lanes have come back that were begun lately. */
  isHealthy(lanes: readonly number[]): boolean {
    return lanes.every((lane) => {
      const begunAtMs = this.#begunAtMs.get(this.#returned.get(lane) ?? 0);
      return begunAtMs !== undefined && this.now() - begunAtMs <= SILENCE_MS;
    });
  }

  /** Whether so many beats of one of these lanes have stayed without an answer that the link is to be given up. */
  isSilent(lanes: readonly number[]): boolean {
    return lanes.some((lane) => this.#number - (this.#returned.get(lane) ?? this.#openedAt) > UNANSWERED_BEATS);
  }
}
