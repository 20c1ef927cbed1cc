import type { Resident } from '../resident.js';
import { SegmentedPolicy } from './segmented-policy.js';

/** Evicts whoever was not used for the longest time. */
export class LruPolicy extends SegmentedPolicy {
  readonly name = 'lru';
  readonly #list = this.makeList();

  *hottest(): Iterable<Resident> {
    yield* this.#list;
    yield* this.cold;
  }

  protected override addNew(resident: Resident): void {
    this.#list.add(resident);
  }

  protected override use(resident: Resident): void {
    this.#list.touch(resident);
  }

  protected override choose(): Resident | undefined {
    return this.#list.oldest;
  }
}
