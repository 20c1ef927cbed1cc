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
 * W-TinyLFU for residents of different sizes: a window where what is new proves itself, and a main part that one enters by a contest.
 *
 *     add -> window -- contest --> probation -- use --> protected
 *              |                     |   ^                 |
 *              +--> loser leaves <---+   +-- pushed out ---+
 *
 * - The window, probation and protected are each in the order of use. While the main part has room, what falls out of the window enters it.
 * - When it is full, the window's oldest meets the least worthy of the oldest in probation. Worth is frequency (from a sketch
 *   that also counts who is not held) per byte: hits that a byte of the cache buys. The one worth less leaves; on a tie
 *   the newcomer stays, because it was used later.
 * - Each time probation is looked through, its oldest, if it is not the one to go, goes to its front. Without this the
 *   same few would be looked at for ever, and the worst of them would be the worst of a choice that is never renewed.
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
    this.#sketch.note(resident.keyHash);
    this.#window.add(resident);
    this.#fillMain();
  }

  protected override use(resident: Resident): void {
    this.#sketch.note(resident.keyHash);
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
      if (this.#isWorthLess(candidate, victim)) return candidate;
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

  #leastWorthy(): Resident | undefined {
    if (this.#probation.size === 0 && this.#protected.size > 0) this.#demote();
    const { oldest } = this.#probation;
    if (oldest === undefined) return undefined;
    let least = oldest;
    let leastHits = this.#hits(oldest);
    let resident = oldest.newer;
    for (let seen = 1; seen < SAMPLE && resident !== undefined; seen++, resident = resident.newer) {
      const hits = this.#hits(resident);
      if (hits * least.chargedBytes < leastHits * resident.chargedBytes) {
        least = resident;
        leastHits = hits;
      }
    }
    if (least !== oldest) this.#probation.touch(oldest);
    return least;
  }

  #isWorthLess(one: Resident, other: Resident): boolean {
    return this.#hits(one) * other.chargedBytes < this.#hits(other) * one.chargedBytes;
  }

  /** Twice the uses to expect, half a use more than were counted: at 0 the size of what was not used lately would not count. */
  #hits(resident: Resident): number {
    return 2 * this.#sketch.frequency(resident.keyHash) + 1;
  }
}
