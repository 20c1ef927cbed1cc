import type { Resident } from '../resident.js';

/**
 * Residents in an order, linked through themselves, with the sum of what they are charged. Every operation is O(1); a resident is
 * in one list at most.
 */
export class ResidentList {
  #newest: Resident | undefined;
  #oldest: Resident | undefined;
  #bytes = 0;
  #size = 0;

  constructor(
    /** What {@link Resident.list} of its residents says. */
    readonly id: number,
  ) {}

  /** Sum of what its residents are charged. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Residents in it. */
  get size(): number {
    return this.#size;
  }

  /** The first one. */
  get newest(): Resident | undefined {
    return this.#newest;
  }

  /** The last one. */
  get oldest(): Resident | undefined {
    return this.#oldest;
  }

  /** Adds a resident that is in no list as the newest. */
  add(resident: Resident): void {
    resident.older = this.#newest;
    resident.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = resident;
    this.#newest = resident;
    this.#oldest ??= resident;
    this.#note(resident);
  }

  /** Adds a resident that is in no list as the oldest. */
  addOldest(resident: Resident): void {
    resident.newer = this.#oldest;
    resident.older = undefined;
    if (this.#oldest !== undefined) this.#oldest.older = resident;
    this.#oldest = resident;
    this.#newest ??= resident;
    this.#note(resident);
  }

  /** Adds a resident that is in no list as the next older one of one that is in this. */
  addBehind(resident: Resident, neighbour: Resident): void {
    resident.newer = neighbour;
    resident.older = neighbour.older;
    if (neighbour.older === undefined) this.#oldest = resident;
    else neighbour.older.newer = resident;
    neighbour.older = resident;
    this.#note(resident);
  }

  /** Takes a resident of this list out of it. */
  remove(resident: Resident): void {
    if (resident.newer === undefined) this.#newest = resident.older;
    else resident.newer.older = resident.older;
    if (resident.older === undefined) this.#oldest = resident.newer;
    else resident.older.newer = resident.newer;
    resident.newer = undefined;
    resident.older = undefined;
    this.#size--;
    this.#bytes -= resident.chargedBytes;
  }

  /** Makes a resident of this list the newest. */
  touch(resident: Resident): void {
    if (this.#newest === resident) return;
    this.remove(resident);
    this.add(resident);
  }

  /** Charges a resident of this list what it takes now. */
  recharge(resident: Resident): void {
    const { bytes } = resident;
    this.#bytes += bytes - resident.chargedBytes;
    resident.chargedBytes = bytes;
  }

  /** From the newest to the oldest. */
  *[Symbol.iterator](): Iterator<Resident> {
    for (let resident = this.#newest; resident !== undefined; resident = resident.older) yield resident;
  }

  #note(resident: Resident): void {
    resident.list = this.id;
    this.#size++;
    this.#bytes += resident.chargedBytes;
  }
}
