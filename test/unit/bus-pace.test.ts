import { describe, expect, it } from '@jest/globals';
import { Pace } from '../../src/cache/coherence/bus/pace.js';

/** Milliseconds between sends of a bus that gets this many sets of changes a millisecond. */
function gapsOf(perMs: number, pace = new Pace(), from = { nowMs: 1000, published: 0 }): number[] {
  const gaps: number[] = [];
  for (let sentAtMs = from.nowMs; gaps.length < 10;) {
    from.nowMs++;
    from.published += perMs;
    if (pace.restMs(from.nowMs) > 0) continue;
    pace.noteSend(from.nowMs, from.published);
    gaps.push(from.nowMs - sentAtMs);
    sentAtMs = from.nowMs;
  }
  return gaps.slice(1);
}

describe('the pace of a bus', () => {
  it('lets what comes first go at once, and what follows after a short wait', () => {
    const pace = new Pace();
    expect(pace.restMs(1000)).toBeLessThanOrEqual(0);
    pace.noteSend(1000, 1);
    expect(pace.restMs(1000)).toBe(2);
    expect(pace.restMs(1002)).toBe(0);
  });

  it('waits longer while much comes, and no longer than that', () => {
    expect(new Set(gapsOf(1))).toEqual(new Set([2]));
    expect(new Set(gapsOf(4))).toEqual(new Set([2]));
    expect(new Set(gapsOf(5).slice(1))).toEqual(new Set([8]));
    expect(new Set(gapsOf(500).slice(1))).toEqual(new Set([8]));
  });

  it('is short again when less comes, and after a pause', () => {
    const pace = new Pace();
    const at = { nowMs: 1000, published: 0 };
    gapsOf(20, pace, at);
    expect(gapsOf(1, pace, at).at(-1)).toBe(2);
    gapsOf(20, pace, at);
    pace.noteSend(at.nowMs + 1000, at.published + 100);
    expect(pace.restMs(at.nowMs + 1000)).toBe(2);
  });
});
