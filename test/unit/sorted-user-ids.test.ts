import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareUtf8, SortedUserIds } from '../../src/cache/local/sorted-user-ids.js';

const id = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.constantFrom('a', 'ab', '\uffff', '\u{10000}', '\ud7ff', '\ue000'),
);

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

describe('the order of user ids', () => {
  it('is that of the bytes of their UTF-8', () => {
    fc.assert(
      fc.property(id, id, (one, other) => {
        expect(Math.sign(compareUtf8(one, other))).toBe(byBytes(one, other));
      }),
    );
  });
});

describe('sorted user ids', () => {
  it('are what a sorted list is, whoever comes and goes, whenever they are first asked for', () => {
    const step = fc.record({ id, ask: fc.boolean(), limit: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(id), fc.array(step, { minLength: 1 }), (first, steps) => {
        const model = new Set(first);
        const sorted = new SortedUserIds();
        for (const { id: userId, ask, limit } of steps) {
          if (model.has(userId)) sorted.delete(userId);
          else sorted.add(userId);
          if (!model.delete(userId)) model.add(userId);
          if (!ask) continue;
          const all = [...model].sort(byBytes);
          expect(sorted.after(undefined, limit, model)).toEqual(all.slice(0, limit));
          const behind = all.filter((each) => byBytes(each, userId) > 0);
          expect(sorted.after(userId, limit, model)).toEqual(behind.slice(0, limit));
        }
        sorted.clear();
        expect(sorted.after(undefined, 1, [])).toEqual([]);
      }),
    );
  });

  it('of 100,000 are sorted once: a change and a page take a few comparisons', () => {
    let comparisons = 0;
    const sorted = new SortedUserIds((one, other) => {
      comparisons++;
      return compareUtf8(one, other);
    });
    const all = new Set(Array.from({ length: 100_000 }, (_unused, at) => `user ${(at * 7919) % 100_000}`));
    expect(sorted.after(undefined, 1, all)).toEqual(['user 0']);
    expect(comparisons).toBeGreaterThan(100_000);
    comparisons = 0;
    for (let at = 0; at < 1000; at++) {
      sorted.add(`user ${at * 100} new`);
      expect(sorted.after(`user ${at * 100}`, 1, all)).toEqual([`user ${at * 100} new`]);
      sorted.delete(`user ${at * 100} new`);
    }
    // The logarithm of 100,000 is 17, three times in a round.
    expect(comparisons).toBeLessThanOrEqual(3 * 17 * 1000);
  });
});
