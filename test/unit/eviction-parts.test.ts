import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FrequencySketch, MAX_FREQUENCY } from '../../src/cache/local/eviction/frequency-sketch.js';
import { GhostQueue } from '../../src/cache/local/eviction/ghost-queue.js';
import { mixHash } from '../../src/cache/local/key-hash.js';

describe('a frequency sketch', () => {
  it('never says less than was counted, until it halves', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { maxLength: 300 }), (keys) => {
        const sketch = new FrequencySketch();
        const counts = new Map<number, number>();
        for (const key of keys) {
          sketch.note(mixHash(key));
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
        for (const [key, count] of counts) {
          expect(sketch.frequency(mixHash(key))).toBeGreaterThanOrEqual(Math.min(count, MAX_FREQUENCY));
        }
      }),
    );
  });

  it('says little of what was never counted when it is large enough', () => {
    const sketch = new FrequencySketch();
    sketch.reserve(1000);
    for (let key = 0; key < 1000; key++) for (let use = 0; use < 5; use++) sketch.note(mixHash(key));
    let wrong = 0;
    for (let key = 1000; key < 11_000; key++) if (sketch.frequency(mixHash(key)) > 0) wrong++;
    expect(wrong).toBeLessThan(500);
  });

  it('keeps every frequency when it grows', () => {
    const sketch = new FrequencySketch();
    for (let key = 0; key < 100; key++) for (let use = 0; use < key % 4; use++) sketch.note(mixHash(key));
    const frequencies = Array.from({ length: 200 }, (_unused, key) => sketch.frequency(mixHash(key)));
    const { bytes } = sketch;
    sketch.reserve(10_000);
    expect(sketch.bytes).toBeGreaterThan(bytes);
    expect(Array.from({ length: 200 }, (_unused, key) => sketch.frequency(mixHash(key)))).toEqual(frequencies);
  });

  it('is small when it is made and follows the number of keys, up to a limit', () => {
    const sketch = new FrequencySketch();
    expect(sketch.bytes).toBe(256);
    sketch.reserve(1000);
    expect(sketch.bytes).toBe(8 * 1024);
    sketch.reserve(1e12);
    expect(sketch.bytes).toBe(64 * 1024 * 1024);
  });

  it('forgets by halves', () => {
    const sketch = new FrequencySketch();
    for (let use = 0; use < 10; use++) sketch.note(mixHash(-1));
    expect(sketch.frequency(mixHash(-1))).toBe(10);
    for (let key = 0; sketch.frequency(mixHash(-1)) >= 10 && key < 10_000; key++) sketch.note(mixHash(key));
    expect(sketch.frequency(mixHash(-1))).toBeGreaterThanOrEqual(5);
    expect(sketch.frequency(mixHash(-1))).toBeLessThanOrEqual(7);
  });
});

describe('a ghost queue', () => {
  it('remembers the last that left and no others', () => {
    const ghosts = new GhostQueue();
    ghosts.reserve(1000);
    for (let key = 0; key < 5000; key++) ghosts.add(mixHash(key));
    let remembered = 0;
    for (let key = 4000; key < 5000; key++) if (ghosts.has(mixHash(key), 1000)) remembered++;
    expect(remembered).toBeGreaterThan(950);
    for (let key = 0; key < 4000; key++) expect(ghosts.has(mixHash(key), 1000)).toBe(false);
    expect(ghosts.has(mixHash(4999), 1)).toBe(true);
    expect(ghosts.has(mixHash(4998), 1)).toBe(false);
  });

  it('remembers nobody when it is new, whatever the hash', () => {
    fc.assert(fc.property(fc.integer(), (hash) => !new GhostQueue().has(hash, 100)));
    expect(new GhostQueue().has(0, 100)).toBe(false);
  });

  it('keeps what it remembers when it grows', () => {
    const ghosts = new GhostQueue();
    for (let key = 0; key < 10; key++) ghosts.add(mixHash(key));
    ghosts.reserve(10_000);
    for (let key = 0; key < 10; key++) expect(ghosts.has(mixHash(key), 10)).toBe(true);
  });

  it('counts a key that left twice from the second time', () => {
    const ghosts = new GhostQueue();
    for (const key of [1, 2, 3, 1]) ghosts.add(mixHash(key));
    expect([1, 2, 3].map((key) => ghosts.has(mixHash(key), 2))).toEqual([true, false, true]);
  });
});
