import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDuration } from '../../src/config/duration.js';

const UNITS: readonly (readonly [string, number])[] = [
  ['m', 60],
  ['h', 60 * 60],
  ['d', 24 * 60 * 60],
  ['w', 7 * 24 * 60 * 60],
];

describe('a duration', () => {
  it('is a whole number of minutes, hours, days or weeks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50_000 }), fc.constantFrom(...UNITS), (count, [unit, seconds]) => {
        expect(parseDuration(`${count}${unit}`)).toBe(count * seconds * 1000);
      }),
    );
  });

  it('is nothing for a text that is not one', () => {
    const texts = [
      '',
      '0d',
      '90',
      'd',
      '-1d',
      '+1d',
      '1.5d',
      '1e3d',
      '90 d',
      ' 90d',
      '90d ',
      '90D',
      '90days',
      '1y',
      '90dd',
    ];
    for (const text of [...texts, '1d12h', '0x1d', 'NaNd', '١d', '90d\n', '9999999999m', '365001d', '999999999w']) {
      expect({ text, parsed: parseDuration(text) }).toEqual({ text, parsed: undefined });
    }
  });
});
