import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseByteSize } from '../../src/config/byte-size.js';

const UNITS: readonly (readonly [string, number])[] = [
  ['', 1],
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['kB', 1000],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
];

describe('a byte size', () => {
  it('is read in every unit, in any case, with or without a space', () => {
    const parts = fc.record({
      count: fc.nat(1_000_000),
      unit: fc.constantFrom(...UNITS),
      space: fc.constantFrom('', ' '),
    });
    fc.assert(
      fc.property(parts, ({ count, unit: [name, bytes], space }) => {
        for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) {
          expect(parseByteSize(`${count}${space}${spelling}`)).toBe(count * bytes);
        }
      }),
    );
  });

  it('is whole bytes where a fraction of a unit is named', () => {
    expect(parseByteSize('1.5 GiB')).toBe(1.5 * 1024 ** 3);
    expect(parseByteSize('0.3kB')).toBe(300);
    expect(parseByteSize('1.9')).toBe(1);
    expect(parseByteSize(' 256MiB ')).toBe(256 * 1024 ** 2);
  });

  it('is nothing for a text that is not one', () => {
    for (const text of [
      '',
      ' ',
      '-1',
      '+1',
      '1,5',
      '1e3',
      'MiB',
      '1 XB',
      '1.',
      '.5',
      '1..5',
      '0x10',
      '1 Mi B',
      'NaN',
      '١',
    ]) {
      expect(parseByteSize(text)).toBeUndefined();
    }
  });

  it('is a whole number or nothing, whatever the text', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom(...Object.getOwnPropertyNames(Object.prototype)));
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.nat(1000), word).map(([count, unit]) => `${count}${unit}`),
    );
    fc.assert(
      fc.property(text, (each) => {
        const size = parseByteSize(each);
        expect(size === undefined || Number.isInteger(size)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
