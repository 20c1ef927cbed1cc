/**
 * User ids in the order of the bytes of their UTF-8, as the database has them. Sorted when they are first asked for, and then kept in
 * order by every change: sorting 100,000 ids anew for everybody who joins would cost more than all the rest of it.
 *
 * @remarks A change costs O(log ids) comparisons, and moves the places behind it by one, which is a copy of memory.
 */
export class SortedUserIds {
  #sorted: string[] | undefined;

  constructor(private readonly compare: (one: string, other: string) => number = compareUtf8) {}

  /** The ids behind one, `limit` at most. O(log ids + limit) but for the first time. */
  after(after: string | undefined, limit: number, all: Iterable<string>): readonly string[] {
    this.#sorted ??= [...all].sort(this.compare);
    const from = after === undefined ? 0 : this.#placeOf(this.#sorted, after);
    const isThere = after !== undefined && this.#sorted[from] === after;
    return this.#sorted.slice(isThere ? from + 1 : from, (isThere ? from + 1 : from) + limit);
  }

  /** Takes in an id that is not there yet. */
  add(userId: string): void {
    if (this.#sorted !== undefined) this.#sorted.splice(this.#placeOf(this.#sorted, userId), 0, userId);
  }

  /** Takes out an id that is there. */
  delete(userId: string): void {
    if (this.#sorted !== undefined) this.#sorted.splice(this.#placeOf(this.#sorted, userId), 1);
  }

  /** Forgets all ids. */
  clear(): void {
    this.#sorted = undefined;
  }

  /** Where an id is, or would be. */
  #placeOf(sorted: readonly string[], userId: string): number {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(sorted[middle]!, userId) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Orders well-formed texts by the bytes of their UTF-8, which is the order of their code points. JavaScript's own order is by UTF-16
 * units: it puts surrogates, which stand for the highest code points, before U+E000 to U+FFFF.
 */
export function compareUtf8(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const unit = one.charCodeAt(at);
    const otherUnit = other.charCodeAt(at);
    if (unit !== otherUnit) return rank(unit) - rank(otherUnit);
  }
  return one.length - other.length;
}

/** A UTF-16 unit's place among the units when surrogates come last. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
