import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compactJson } from '../../src/storage/compact-json.js';

/** Writes JSON as PostgreSQL's jsonb does: a space behind every colon and comma. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
    .join(', ')}}`;
}

/** Texts that try to look like the end of a string. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom(' ', '"', '\\', ': ', ', ', '{', '\\"', '\u00e9', '\ud83c\udf55', 'u0020'), {
      maxLength: 12,
    })
    .map((parts) => parts.join('')),
);

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(text, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;

describe('compact JSON', () => {
  it('has no space outside strings and its strings untouched, whatever the value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(compactJson(spaced(value))).toBe(JSON.stringify(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('is the same text again when there is nothing to remove', () => {
    fc.assert(
      fc.property(json, (value) => {
        const compact = JSON.stringify(value);
        expect(compactJson(compact)).toBe(compact);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps digits that a JavaScript number could not hold', () => {
    expect(compactJson('{"id": 12345678901234567890.1234567890123456789, "tiny": 1.0}')).toBe(
      '{"id":12345678901234567890.1234567890123456789,"tiny":1.0}',
    );
  });
});
