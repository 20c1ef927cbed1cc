import type { Resident } from '../resident.js';
import { GhostQueue } from './ghost-queue.js';
import { SegmentedPolicy } from './segmented-policy.js';

/** Part of the bytes for what is new. Too small and nothing is there long enough to be used again; too large and a scan takes room. */
const SMALL_SHARE = 0.1;
/** Uses after which one goes from the small queue to the main one. */
const PROVEN_USES = 2;
/** Uses that are counted: rounds in the main queue that one can earn. */
const MAX_USES = 3;

/**
 * S3-FIFO: three queues in the order of arrival. What is new goes into a small one; at its end, those used twice move to the
 * main one and the others leave, remembered by key. Whoever comes back while remembered goes to the main one at once. At the
 * end of the main one, each use counted earns another round. So what is asked for once is gone after a tenth of the cache.
 *
 * As many keys are remembered as residents are held: fewer, and a return is not noticed; more, and a return after ages counts.
 *
 * J. Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023, https://doi.org/10.1145/3600006.3613147
 */
export class S3FifoPolicy extends SegmentedPolicy {
  readonly name = 's3-fifo';
  readonly #small = this.makeList();
  readonly #main = this.makeList();
  readonly #ghosts = new GhostQueue();

  *hottest(): Iterable<Resident> {
    yield* this.#main;
    yield* this.#small;
    yield* this.cold;
  }

  protected override addNew(resident: Resident): void {
    const { size } = this;
    this.#ghosts.reserve(size);
    if (this.#ghosts.has(resident.keyHash, size)) this.#main.add(resident);
    else this.#small.add(resident);
  }

  protected override use(resident: Resident): void {
    if (resident.uses < MAX_USES) resident.uses++;
  }

  /** Each one that moves on instead of leaving has paid for it by a use: O(1) amortised. */
  protected override choose(): Resident | undefined {
    for (;;) {
      const small = this.#small.oldest;
      const main = this.#main.oldest;
      if (small !== undefined && (main === undefined || this.#small.bytes > this.capacityBytes * SMALL_SHARE)) {
        if (small.uses < PROVEN_USES) {
          this.#ghosts.add(small.keyHash);
          return small;
        }
        small.uses = 0;
        this.#small.remove(small);
        this.#main.add(small);
      } else if (main === undefined || main.uses === 0) {
        return main;
      } else {
        main.uses--;
        this.#main.touch(main);
      }
    }
  }
}
