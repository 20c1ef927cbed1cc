import type { Resident } from '../resident.js';
import type { EvictionPolicy, EvictionPolicyName } from './eviction-policy.js';
import { ResidentList } from './resident-list.js';

/**
 * A policy whose residents are in one of several lists. One of them is for the cold: residents that nobody has asked for
 * leave before all others, so they must not lie where the policy would look at them last. What a policy adds is which list takes
 * what is new, what a use does, and who goes.
 */
export abstract class SegmentedPolicy implements EvictionPolicy {
  abstract readonly name: EvictionPolicyName;
  /** Who was never asked for; the one that came last is the oldest. */
  protected readonly cold = new ResidentList(0);
  /** By {@link ResidentList.id}. */
  readonly #lists: ResidentList[] = [this.cold];

  constructor(public capacityBytes: number) {}

  get bytes(): number {
    let bytes = 0;
    for (let id = 0; id < this.#lists.length; id++) bytes += this.#lists[id]!.bytes;
    return bytes;
  }

  get size(): number {
    let size = 0;
    for (let id = 0; id < this.#lists.length; id++) size += this.#lists[id]!.size;
    return size;
  }

  add(resident: Resident, place: 'new' | 'cold'): void {
    resident.chargedBytes = resident.bytes;
    resident.uses = 0;
    if (place === 'new') this.addNew(resident);
    else this.cold.addOldest(resident);
  }

  addBeside(resident: Resident, neighbour: Resident): void {
    resident.chargedBytes = resident.bytes;
    resident.uses = neighbour.uses;
    this.#listOf(neighbour).addBehind(resident, neighbour);
  }

  touch(resident: Resident): void {
    if (resident.list === this.cold.id) {
      this.cold.remove(resident);
      this.addNew(resident);
    } else {
      this.use(resident);
    }
  }

  recharge(resident: Resident): void {
    this.#listOf(resident).recharge(resident);
  }

  remove(resident: Resident): void {
    this.#listOf(resident).remove(resident);
    resident.chargedBytes = 0;
  }

  evict(): Resident | undefined {
    const leaving = this.cold.oldest ?? this.choose();
    if (leaving !== undefined) this.remove(leaving);
    return leaving;
  }

  abstract hottest(): Iterable<Resident>;

  /** Makes one of the lists; to be called when the policy is made. */
  protected makeList(): ResidentList {
    const list = new ResidentList(this.#lists.length);
    this.#lists.push(list);
    return list;
  }

  /** Finds a place for a resident, charged already, that is asked for now for the first time. */
  protected abstract addNew(resident: Resident): void;

  /** Counts a use of a resident that is not cold. */
  protected abstract use(resident: Resident): void;

  /** Who is to go when nobody is cold; they stay where they are. */
  protected abstract choose(): Resident | undefined;

  #listOf(resident: Resident): ResidentList {
    return this.#lists[resident.list]!;
  }
}
