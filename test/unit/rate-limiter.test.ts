import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RateLimiter } from '../../src/limits/rate-limiter.js';

describe('the rate limiter', () => {
  let nowMs = 0;
  const limiterOf = (max: number, windowMs = 1000): RateLimiter => {
    nowMs = 0;
    return new RateLimiter(max, windowMs, () => nowMs);
  };

  it('lets in as many as the window holds, then tells when it ends', () => {
    const limiter = limiterOf(2);
    expect(limiter.admit('ann')).toEqual({ isAdmitted: true, remaining: 1, restMs: 1000 });
    nowMs = 400;
    expect(limiter.admit('ann')).toEqual({ isAdmitted: true, remaining: 0, restMs: 600 });
    expect(limiter.admit('ann')).toEqual({ isAdmitted: false, remaining: 0, restMs: 600 });
    expect(limiter.admit('ben').isAdmitted).toBe(true);
    nowMs = 1000;
    expect(limiter.admit('ann')).toEqual({ isAdmitted: true, remaining: 1, restMs: 1000 });
  });

  it('never lets in more than a window holds, and refuses only in a full window, in any history', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), afterMs: fc.nat(400) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (steps, max) => {
        const limiter = limiterOf(max);
        const windows = new Map<string, { beganMs: number; count: number }>();
        for (const { key, afterMs } of steps) {
          nowMs += afterMs;
          let window = windows.get(key);
          if (window === undefined || nowMs - window.beganMs >= 1000) {
            window = { beganMs: nowMs, count: 0 };
            windows.set(key, window);
          }
          const { isAdmitted } = limiter.admit(key);
          expect(isAdmitted).toBe(window.count < max);
          if (isAdmitted) window.count++;
        }
      }),
    );
  });

  it('looks without counting', () => {
    const limiter = limiterOf(1);
    expect(limiter.look('ann')).toEqual({ isAdmitted: true, remaining: 1, restMs: 1000 });
    limiter.admit('ann');
    expect(limiter.look('ann').isAdmitted).toBe(false);
  });

  it('counts what others have let in, and what is on its way to them', () => {
    const limiter = limiterOf(10);
    limiter.admit('ann');
    limiter.admit('ann');
    const [window] = limiter.takeUnshared();
    expect(window).toMatchObject({ key: 'ann', sharing: 2, own: 0 });
    expect(limiter.admit('ann').remaining).toBe(7);
    limiter.noteShared(window!, 2, { total: 8, restMs: 300 });
    expect(limiter.look('ann')).toEqual({ isAdmitted: true, remaining: 1, restMs: 300 });
    expect(limiter.admit('ann').isAdmitted).toBe(true);
    expect(limiter.admit('ann').isAdmitted).toBe(false);
  });

  it('goes on with what it has seen itself when nobody can be asked', () => {
    const limiter = limiterOf(3);
    limiter.admit('ann');
    const [window] = limiter.takeUnshared();
    limiter.noteShared(window!, 1, undefined);
    expect([limiter.admit('ann'), limiter.admit('ann'), limiter.admit('ann')].map((each) => each.isAdmitted)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('does not share windows that have ended', () => {
    const limiter = limiterOf(3);
    limiter.admit('ann');
    nowMs = 1000;
    limiter.admit('ann');
    expect(limiter.takeUnshared()).toHaveLength(1);
    expect(limiter.takeUnshared()).toEqual([]);
  });

  it('keeps no windows that have ended, nor more than 100,000', () => {
    const limiter = limiterOf(3);
    for (let at = 0; at < 1000; at++) limiter.admit(`first ${at}`);
    nowMs = 1000;
    for (let at = 0; at < 1000; at++) limiter.admit(`second ${at}`);
    expect(limiter.size).toBe(1000);
    for (let at = 0; at < 150_000; at++) limiter.admit(`third ${at}`);
    expect(limiter.size).toBe(100_000);
  });
});
