import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { boundsOfHits, optimalHits } from '../../bench/eviction/optimum.js';
import { simulateHits } from '../../bench/eviction/simulation.js';
import type { Trace } from '../../bench/eviction/trace.js';
import { EVICTION_POLICIES } from '../../src/cache/local/eviction/eviction-policy.js';
import { makePolicy } from '../../src/cache/local/eviction/policies.js';

const OBJECTS = 5;
const trace = fc
  .tuple(
    fc.array(fc.nat(OBJECTS - 1), { minLength: 1, maxLength: 14, size: 'max' }),
    fc.array(fc.integer({ min: 1, max: 4 }), { minLength: OBJECTS, maxLength: OBJECTS }),
  )
  .map(([accesses, bytes]) => sampleTrace(accesses, bytes));
const capacity = fc.integer({ min: 0, max: 8 });

function sampleTrace(accesses: number[], bytes: number[]): Trace {
  return {
    name: 'sample',
    accesses: Uint32Array.from(accesses),
    keyHashes: Int32Array.from(bytes.keys()),
    sizes: Uint32Array.from(accesses, (object) => bytes[object]!),
    workingSetBytes: bytes.reduce((sum, each) => sum + each, 0),
  };
}

/** Tries every choice of what to keep. */
function bestHits({ accesses, sizes }: Trace, capacityBytes: number): number {
  let states = new Map<string, { held: Map<number, number>; hits: number }>([['', { held: new Map(), hits: 0 }]]);
  for (let at = 0; at < accesses.length; at++) {
    const next: typeof states = new Map();
    for (const { held, hits } of states.values()) {
      const after = hits + (held.has(accesses[at]!) ? 1 : 0);
      const candidates = [...new Map(held).set(accesses[at]!, sizes[at]!)];
      for (let choice = 0; choice < 1 << candidates.length; choice++) {
        const kept = candidates
          .filter((_unused, index) => (choice & (1 << index)) !== 0)
          .sort(([one], [two]) => one - two);
        if (kept.reduce((sum, [, bytes]) => sum + bytes, 0) > capacityBytes) continue;
        const key = kept.map(([object]) => object).join();
        if ((next.get(key)?.hits ?? -1) < after) next.set(key, { held: new Map(kept), hits: after });
      }
    }
    states = next;
  }
  return Math.max(...[...states.values()].map(({ hits }) => hits));
}

describe('the optimum of the simulator', () => {
  it('is what trying everything finds, for objects of one size', () => {
    fc.assert(
      fc.property(trace, fc.nat(4), (sized, objects) => {
        const unit = { ...sized, sizes: new Uint32Array(sized.accesses.length).fill(1) };
        expect(optimalHits(unit, objects)).toBe(bestHits(unit, objects));
      }),
    );
  });

  it('is not above the bound, for objects of different sizes', () => {
    fc.assert(
      fc.property(trace, capacity, (sized, bytes) => {
        expect(bestHits(sized, bytes)).toBeLessThanOrEqual(boundsOfHits(sized, [bytes])[0]!);
      }),
    );
  });

  it.each(EVICTION_POLICIES)('is not reached by more than chance: %s has at most its hits', (name) => {
    fc.assert(
      fc.property(trace, capacity, (sized, bytes) => {
        expect(simulateHits(sized, makePolicy(name, bytes))).toBeLessThanOrEqual(bestHits(sized, bytes));
      }),
    );
  });
});
