import { describe, expect, it } from '@jest/globals';
import { KnownCredentials } from '../../src/auth/known-credentials.js';

const ANN = { type: 'user', userId: 'ann' } as const;

const DAY_MS = 86_400_000;

describe('credentials that were found good', () => {
  it('are known until they end', () => {
    let nowMs = 1000;
    const known = new KnownCredentials(() => nowMs);
    known.add('Bearer a', ANN, 2000);
    expect(known.find('Bearer b')).toBeUndefined();
    nowMs = 1999;
    expect(known.find('Bearer a')).toBe(ANN);
    nowMs = 2000;
    expect(known.find('Bearer a')).toBeUndefined();
    nowMs = 1000;
    expect(known.find('Bearer a')).toBeUndefined();
  });

  it('are known for a day and no longer, however long they are good for', () => {
    let nowMs = 0;
    const known = new KnownCredentials(() => nowMs);
    known.add('Bearer a', ANN, 3 * DAY_MS);
    known.add('Bearer b', ANN, Infinity);
    nowMs = DAY_MS - 1;
    for (const value of ['Bearer a', 'Bearer b']) expect(known.find(value)).toBe(ANN);
    nowMs = DAY_MS;
    for (const value of ['Bearer a', 'Bearer b']) expect(known.find(value)).toBeUndefined();
    known.add('Bearer a', ANN, 3 * DAY_MS);
    nowMs = 2 * DAY_MS - 1;
    expect(known.find('Bearer a')).toBe(ANN);
  });

  it('are forgotten, the oldest first, when there are too many', () => {
    const known = new KnownCredentials();
    for (let credential = 0; credential <= 10_000; credential++) known.add(`Bearer ${credential}`, ANN, Infinity);
    expect(known.find('Bearer 0')).toBeUndefined();
    expect(known.find('Bearer 1')).toBe(ANN);
    expect(known.find('Bearer 10000')).toBe(ANN);
  });
});
