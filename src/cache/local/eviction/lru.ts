import type { Resident } from '../resident.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { ResidentList } from './resident-list.js';

/** Evicts whoever was not used for the longest time. */
export class LruPolicy implements EvictionPolicy {
  readonly name = 'lru';
  readonly #list = new ResidentList(1);
  capacityBytes: number;

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
  }

  get bytes(): number {
    return this.#list.bytes;
  }

  get size(): number {
    return this.#list.size;
  }

  add(resident: Resident, place: 'new' | 'cold'): void {
    resident.chargedBytes = resident.bytes;
    if (place === 'new') this.#list.add(resident);
    else this.#list.addOldest(resident);
  }

  addBeside(resident: Resident, neighbour: Resident): void {
    resident.chargedBytes = resident.bytes;
    this.#list.addBehind(resident, neighbour);
  }

  touch(resident: Resident): void {
    this.#list.touch(resident);
  }

  recharge(resident: Resident): void {
    this.#list.recharge(resident);
  }

  remove(resident: Resident): void {
    this.#list.remove(resident);
    resident.chargedBytes = 0;
  }

  evict(): Resident | undefined {
    const oldest = this.#list.oldest;
    if (oldest !== undefined) this.remove(oldest);
    return oldest;
  }

  hottest(): Iterable<Resident> {
    return this.#list;
  }
}
