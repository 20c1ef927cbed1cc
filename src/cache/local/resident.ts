/**
 * Something that takes bytes of the budget and has a place in the order of eviction. The links are inside: moving a
 * resident to the front is four assignments, where re-inserting it into a `Map` costs microseconds.
 */
export abstract class Resident {
  /** Neighbours in the order of use; `undefined` at the ends and outside. For {@link RecencyList} alone. */
  newer: Resident | undefined;
  older: Resident | undefined;
  /** What the ledger holds for this resident; 0 while it is not held. For the store alone. */
  chargedBytes = 0;

  /** What it takes now, overhead included. */
  abstract get bytes(): number;
}

/** Residents from the most to the least recently used. Every operation is O(1). */
export class RecencyList {
  #newest: Resident | undefined;
  #oldest: Resident | undefined;

  /** The one to evict next. */
  get oldest(): Resident | undefined {
    return this.#oldest;
  }

  /** Adds a resident that is not in the list. */
  add(resident: Resident): void {
    resident.older = this.#newest;
    resident.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = resident;
    this.#newest = resident;
    this.#oldest ??= resident;
  }

  /** Adds a resident that is not in the list as the next to be evicted. */
  addOldest(resident: Resident): void {
    resident.newer = this.#oldest;
    resident.older = undefined;
    if (this.#oldest !== undefined) this.#oldest.older = resident;
    this.#oldest = resident;
    this.#newest ??= resident;
  }

  /** Adds a resident that is not in the list just behind one that is: it will be evicted right before that one. */
  addBehind(resident: Resident, neighbour: Resident): void {
    resident.newer = neighbour;
    resident.older = neighbour.older;
    if (neighbour.older === undefined) this.#oldest = resident;
    else neighbour.older.newer = resident;
    neighbour.older = resident;
  }

  /** Takes a resident out of the list. */
  remove(resident: Resident): void {
    if (resident.newer === undefined) this.#newest = resident.older;
    else resident.newer.older = resident.older;
    if (resident.older === undefined) this.#oldest = resident.newer;
    else resident.older.newer = resident.newer;
    resident.newer = undefined;
    resident.older = undefined;
  }

  /** Makes a resident of the list the most recently used one. */
  touch(resident: Resident): void {
    if (this.#newest === resident) return;
    this.remove(resident);
    this.add(resident);
  }

  /** From the most to the least recently used. */
  *[Symbol.iterator](): Iterator<Resident> {
    for (let resident = this.#newest; resident !== undefined; resident = resident.older) yield resident;
  }
}
