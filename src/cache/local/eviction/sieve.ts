import type { Resident } from '../resident.js';
import { SegmentedPolicy } from './segmented-policy.js';

/**
 * SIEVE: a queue in the order of arrival, where a use only marks; a hand goes from the oldest to the newest and round again, takes the mark
 * off whoever has one, and evicts the first that has none. Who is marked stays where they are: that, and not
 * going to the front, is the difference to CLOCK, and lets what is new be tried and go while the proven stay behind the hand.
 *
 * The weakness: where every resident is marked once and the working set slides on, the hand evicts what is new and what
 * is old stays. On traffic that follows recency it can fall far below LRU.
 *
 * Y. Zhang et al., SIEVE is Simpler than LRU, NSDI 2024, https://www.usenix.org/conference/nsdi24/presentation/zhang-yazhuo
 */
export class SievePolicy extends SegmentedPolicy {
  readonly name = 'sieve';
  readonly #queue = this.makeList();
  /** Whom the hand looks at next; `undefined` is the oldest. */
  #hand: Resident | undefined;

  override remove(resident: Resident): void {
    if (this.#hand === resident) this.#hand = resident.newer;
    super.remove(resident);
  }

  *hottest(): Iterable<Resident> {
    for (const resident of this.#queue) if (resident.uses > 0) yield resident;
    for (const resident of this.#queue) if (resident.uses === 0) yield resident;
    yield* this.cold;
  }

  protected override addNew(resident: Resident): void {
    this.#queue.add(resident);
  }

  protected override use(resident: Resident): void {
    resident.uses = 1;
  }

  /** Each mark that is passed over was made by a use: O(1) amortised. */
  protected override choose(): Resident | undefined {
    let resident = this.#hand ?? this.#queue.oldest;
    while (resident !== undefined && resident.uses > 0) {
      resident.uses = 0;
      resident = resident.newer ?? this.#queue.oldest;
    }
    this.#hand = resident;
    return resident;
  }
}
