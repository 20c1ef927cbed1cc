import type { Resident } from '../resident.js';
import { FrequencySketch } from './frequency-sketch.js';
import { SegmentedPolicy } from './segmented-policy.js';

/** Part of the bytes for what is new. Too small and what was asked for a moment ago is gone; too large and a scan takes room. */
const WINDOW_SHARE = 0.2;
/** Part of the main bytes that is safe from newcomers. Too small and the proven go with the rest; too large and they never do. */
const PROTECTED_SHARE = 0.7;
/** Residents among whom the one to go is looked for. Fewer find worse ones; more take longer. */
const SAMPLE = 16;
/**
 * Hits, in times the residents held, without one of its own after which a resident is worth half. Too few, and popularity
 * counts for nothing, as with LRU; too many, and what was popular yesterday keeps out the working set of today while that slides on.
 */
const HALF_WORTH_HITS = 2;

/**
 * W-TinyLFU for residents of different sizes: a window where what is new proves itself, and a main part that one enters by a contest.
 *
 *     add -> window -- contest --> probation -- use --> protected
 *              |                     |   ^                 |
 *              +--> loser leaves <---+   +-- pushed out ---+
 *
 * - The window, probation and protected are each in the order of use. While the main part has room, what falls out of the window enters it.
 * - When it is full, the window's oldest meets the least worthy of the oldest in probation. The one worth less leaves; on a tie the
 *   newcomer stays.
 * - Worth is what a byte of the cache buys: frequency (from a sketch that also counts who is not held), divided by bytes and by
 *   the hits on others since its last use. Frequency alone keeps what was popular, while in chat the working set slides on. Time is
 *   counted in hits, not in accesses, so that a scan, which is all misses, makes nobody older.
 * - Each time probation is looked through, its oldest, if it is not the one to go, goes to its front. Without this the
 *   same few would be looked at for ever, and the choice would never be renewed.
 * - The oldest of the protected is looked at as well. Protected residents are pushed out only by others that come in; a new
 *   working set too large for window and probation together would never get there, and a dead one would stay for ever.
 *
 * The contest is decided when somebody has to leave, that is, in {@link evict}; until then the window may be larger than its part.
 * A winner larger than the one it beat brings the main part over its bytes: then the least worthy there go until it fits.
 *
 * G. Einziger, O. Eytan, R. Friedman, B. Manes, Lightweight Robust Size Aware Cache Management, 2022, https://doi.org/10.1145/3507920
 * G. Einziger, O. Eytan, R. Friedman, B. Manes, Adaptive Software Cache Management, 2018, https://doi.org/10.1145/3274808.3274816
 */
export class WTinyLfuPolicy extends SegmentedPolicy {
  readonly name = 'w-tinylfu';
  readonly #window = this.makeList();
  readonly #probation = this.makeList();
  readonly #protected = this.makeList();
  readonly #sketch = new FrequencySketch();
  /** Hits so far, in 32 bits that wrap around; a resident's `uses` is what it was at its last use. */
  #clock = 0;
  #halfWorthHits = 1;

  *hottest(): Iterable<Resident> {
    yield* this.#protected;
    yield* this.#window;
    yield* this.#probation;
    yield* this.cold;
  }

  get #mainBytes(): number {
    return this.#probation.bytes + this.#protected.bytes;
  }

  get #mainLimit(): number {
    return this.capacityBytes * (1 - WINDOW_SHARE);
  }

  protected override addNew(resident: Resident): void {
    this.#sketch.reserve(this.size + 1);
    this.#note(resident);
    this.#window.add(resident);
    this.#fillMain();
  }

  protected override use(resident: Resident): void {
    this.#clock = (this.#clock + 1) | 0;
    this.#note(resident);
    if (resident.list === this.#window.id) {
      this.#window.touch(resident);
    } else if (resident.list === this.#protected.id) {
      this.#protected.touch(resident);
    } else {
      this.#probation.remove(resident);
      this.#protected.add(resident);
      const limit = this.#mainLimit * PROTECTED_SHARE;
      while (this.#protected.bytes > limit && this.#protected.size > 1) this.#demote();
    }
  }

  protected override choose(): Resident | undefined {
    this.#fillMain();
    if (this.#mainBytes <= this.#mainLimit && this.#isWindowFull()) {
      const candidate = this.#window.oldest!;
      const victim = this.#leastWorthy();
      if (victim === undefined || candidate.chargedBytes > this.#mainLimit) return candidate;
      if (this.#worth(candidate) < this.#worth(victim)) return candidate;
      this.#enterMain(candidate);
      return victim;
    }
    return this.#leastWorthy() ?? this.#window.oldest;
  }

  #isWindowFull(): boolean {
    return this.#window.size > 0 && this.#window.bytes > this.capacityBytes * WINDOW_SHARE;
  }

  /** Every resident goes this way once, so it costs O(1) for each that is added. */
  #fillMain(): void {
    while (this.#isWindowFull()) {
      const candidate = this.#window.oldest!;
      if (this.#mainBytes + candidate.chargedBytes > this.#mainLimit) return;
      this.#enterMain(candidate);
    }
  }

  #enterMain(candidate: Resident): void {
    this.#window.remove(candidate);
    this.#probation.add(candidate);
  }

  /** Takes the oldest of the protected their protection. */
  #demote(): void {
    const oldest = this.#protected.oldest!;
    this.#protected.remove(oldest);
    this.#probation.add(oldest);
  }

  /** Who of the main part is to go next; they are in probation then. */
  #leastWorthy(): Resident | undefined {
    if (this.#probation.size === 0 && this.#protected.size > 0) this.#demote();
    const { oldest } = this.#probation;
    if (oldest === undefined) return undefined;
    this.#halfWorthHits = HALF_WORTH_HITS * this.size;
    let least = oldest;
    let leastWorth = this.#worth(oldest);
    let resident = oldest.newer;
    for (let seen = 1; seen < SAMPLE && resident !== undefined; seen++, resident = resident.newer) {
      const worth = this.#worth(resident);
      if (worth < leastWorth) {
        least = resident;
        leastWorth = worth;
      }
    }
    const spared = this.#protected.oldest;
    if (spared !== undefined && this.#worth(spared) < leastWorth) {
      least = spared;
      this.#demote();
    }
    if (least !== oldest) this.#probation.touch(oldest);
    return least;
  }

  /** In a measure of no meaning. Half a use more than was counted: at 0, the size would not count. */
  #worth(resident: Resident): number {
    const age = (this.#clock - resident.uses) >>> 0;
    const frequency = this.#sketch.frequency(resident.keyHash) + 0.5;
    return frequency / ((age + this.#halfWorthHits) * resident.chargedBytes);
  }

  /** Notes a use and when it was. */
  #note(resident: Resident): void {
    this.#sketch.note(resident.keyHash);
    resident.uses = this.#clock;
  }
}
