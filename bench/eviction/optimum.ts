import type { Trace } from './trace.js';

/**
 * Bélády's optimum: keep what is asked for next. Hits of the best cache that knows the future and may refuse to keep what it
 * has just loaded. Exact for objects of one size.
 *
 * L. A. Bélády, A study of replacement algorithms for a virtual-storage computer, 1966, https://doi.org/10.1147/sj.52.0078
 */
export function optimalHits(trace: Trace, capacity: number): number {
  const next = nextUses(trace);
  const kept = new IndexSet(next.length);
  let hits = 0;
  for (let at = 0; at < next.length; at++) {
    if (kept.delete(at)) hits++;
    const use = next[at]!;
    if (use === NEVER) continue;
    // An object is kept under the time of its next use: the greatest is the one to go.
    kept.add(use);
    if (kept.size > capacity) kept.delete(kept.greatest());
  }
  return hits;
}

/**
 * Upper bounds of the hits for objects of different sizes, where the optimum is too hard to compute: PFOO-U. Keeping an object
 * from one use to the next takes its bytes for that long, and all together cannot take more than the cache for the whole
 * time; the bound takes the cheapest first and does not ask whether they fit at every moment.
 *
 * D. Berger, N. Beckmann, M. Harchol-Balter, Practical Bounds on Optimal Caching with Variable Object Sizes, 2018,
 * https://doi.org/10.1145/3224427
 */
export function boundsOfHits(trace: Trace, capacities: readonly number[]): number[] {
  const next = nextUses(trace);
  const costs = new Float64Array(next.length);
  let count = 0;
  for (let at = 0; at < next.length; at++) {
    if (next[at] !== NEVER) costs[count++] = trace.sizes[at]! * (next[at]! - at);
  }
  const sorted = costs.subarray(0, count).sort();
  return capacities.map((capacity) => {
    let left = capacity * next.length;
    let hits = 0;
    while (hits < count && left >= sorted[hits]!) left -= sorted[hits++]!;
    return hits;
  });
}

const NEVER = 0xffffffff;

/** For each access, when its object is asked for next. */
function nextUses({ accesses, keyHashes }: Trace): Uint32Array {
  const next = new Uint32Array(accesses.length);
  const upcoming = new Uint32Array(keyHashes.length).fill(NEVER);
  for (let at = accesses.length - 1; at >= 0; at--) {
    const object = accesses[at]!;
    next[at] = upcoming[object]!;
    upcoming[object] = at;
  }
  return next;
}

/** Numbers below a limit, as a tree of bits: a word of each level tells which words below it are not empty. */
class IndexSet {
  readonly #levels: Uint32Array[] = [];
  size = 0;

  constructor(limit: number) {
    for (let words = Math.ceil(limit / 32); ; words = Math.ceil(words / 32)) {
      this.#levels.push(new Uint32Array(Math.max(1, words)));
      if (words <= 1) return;
    }
  }

  add(index: number): void {
    this.size++;
    for (const level of this.#levels) {
      level[index >>> 5]! |= 1 << (index & 31);
      index >>>= 5;
    }
  }

  delete(index: number): boolean {
    if ((this.#levels[0]![index >>> 5]! & (1 << (index & 31))) === 0) return false;
    this.size--;
    for (const level of this.#levels) {
      level[index >>> 5]! &= ~(1 << (index & 31));
      if (level[index >>> 5] !== 0) break;
      index >>>= 5;
    }
    return true;
  }

  greatest(): number {
    let index = 0;
    for (const level of this.#levels.toReversed()) index = index * 32 + 31 - Math.clz32(level[index]!);
    return index;
  }
}
