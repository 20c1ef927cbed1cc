import { beforeEach, describe, expect, it } from '@jest/globals';
import { Continuity } from '../../src/cache/coherence/continuity.js';

describe('the continuity of a server', () => {
  let continuity: Continuity;

  beforeEach(() => {
    continuity = new Continuity();
  });

  const pollOf = (horizon: string, run: string): Parameters<Continuity['note']>[0] => ({
    horizon,
    run,
    epoch: 'epoch',
    changed: [],
    next: undefined,
  });

  function note(horizon: string, run: string, atSeconds: number): void {
    const at = { monotonicMs: atSeconds * 1000, wallMs: atSeconds * 1000 };
    continuity.note(pollOf(horizon, run), at, at);
  }

  it('is broken by another run, and by nothing before the first look', () => {
    expect(continuity.isUnbroken(pollOf('100', 'one'))).toBe(true);
    note('100', 'one', 0);
    expect(continuity.isUnbroken(pollOf('200', 'one'))).toBe(true);
    expect(continuity.isUnbroken(pollOf('200', 'other'))).toBe(false);
  });

  it('knows no horizon that is on the disk before the server has run for a minute', () => {
    note('100', 'one', 0);
    note('200', 'one', 59);
    expect(continuity.durableHorizon).toBeUndefined();
    note('300', 'one', 60);
    expect(continuity.durableHorizon).toBe('100');
  });

  it('does not go by a horizon, however old by now, that was not on the disk when the server crashed', () => {
    note('100', 'one', 0);
    note('200', 'one', 100);
    note('300', 'one', 130);
    // Ids from 100 on may be given out again.
    note('150', 'two', 131);
    note('160', 'two', 190);
    expect(continuity.durableHorizon).toBe('100');
    note('170', 'two', 191);
    expect(continuity.durableHorizon).toBe('150');
  });
});
