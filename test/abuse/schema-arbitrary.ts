import fc from 'fast-check';
import { resolveRef, type JsonSchema, type OpenApi } from '../support/openapi.js';

/** Strings that have broken other servers. */
const EXTREME_STRINGS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\u202eabc',
  '\u2028\u2029',
  'ﷺ'.repeat(50),
  'e\u0301'.repeat(40),
  '👩‍👩‍👧‍👦'.repeat(30),
  '𝕳𝖊𝖑𝖑𝖔',
  '__proto__',
  'constructor',
  "'; DROP TABLE message; --",
  '${7*7}{{7*7}}',
  '<script>alert(1)</script>',
  '../../../../etc/passwd',
  '%00%2e%2e%2f',
  '\r\nSet-Cookie: a=b',
  '\u001b[2J',
  'x'.repeat(20_000),
];

/** Any string, extremes among them. */
export const anyString = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 2, arbitrary: fc.constantFrom(...EXTREME_STRINGS) },
);

/** Values that fit no schema well. */
const anyValue = fc.oneof(
  anyString,
  fc.constantFrom(null, true, -1, 0, 1.5, 1e308, -1e308, Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 63, [], {}, [[[[]]]]),
  fc.jsonValue({ maxDepth: 4 }),
  fc.constant(JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`)),
  fc.constant({ __proto__: null, toString: 1, hasOwnProperty: 'x' }),
);

/** Values that may stand where anything may: what JSON can say and JavaScript repeat. */
const anyStorable = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 3 }),
);

/** Values that a schema of the document allows; `known` gives values for properties by name, that requests may meet. */
export function validValue(
  document: OpenApi,
  schema: JsonSchema,
  known: (name: string) => fc.Arbitrary<unknown> | undefined,
  name = '',
): fc.Arbitrary<unknown> {
  const of = (inner: unknown, innerName = name): fc.Arbitrary<unknown> =>
    validValue(document, inner as JsonSchema, known, innerName);
  if (typeof schema['$ref'] === 'string') return of(resolveRef(document, schema['$ref']));
  const choices = (schema['anyOf'] ?? schema['oneOf']) as JsonSchema[] | undefined;
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => of(choice)));
  if (schema['const'] !== undefined) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  const byName = known(name);
  if (byName !== undefined) return byName;
  switch (schema['type']) {
    case 'object':
      return objectValue(schema, of);
    case 'array':
      return fc.array(of(schema['items']), { minLength: Number(schema['minItems'] ?? 0), maxLength: 6 });
    case 'integer':
      return fc.integer({
        min: Number(schema['minimum'] ?? 0),
        max: Math.min(Number(schema['maximum'] ?? 1000), 1000),
      });
    case 'number':
      return fc.double({ min: Number(schema['minimum'] ?? 0), max: Number(schema['maximum'] ?? 1), noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'string':
      return stringValue(schema);
    default:
      return anyStorable;
  }
}

function objectValue(
  schema: JsonSchema,
  of: (inner: unknown, name: string) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>;
  if (Object.keys(properties).length === 0 && schema['additionalProperties'] !== false) {
    return fc.dictionary(fc.string({ maxLength: 12 }), anyStorable, { maxKeys: 4 });
  }
  return fc.record(Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, of(inner, key)])), {
    requiredKeys: (schema['required'] ?? []) as string[],
  });
}

function stringValue(schema: JsonSchema): fc.Arbitrary<string> {
  if (schema['format'] === 'uuid') return fc.uuid();
  if (schema['format'] === 'date-time') {
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  }
  if (typeof schema['pattern'] === 'string') return fc.stringMatching(new RegExp(schema['pattern']));
  return fc.string({ unit: 'grapheme', minLength: Number(schema['minLength'] ?? 0), maxLength: 60 });
}

/** Values with one thing wrong somewhere, or everything. */
export function brokenValue(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 1, arbitrary: anyValue },
    {
      weight: 4,
      arbitrary: fc
        .tuple(valid, fc.nat(), anyString, anyValue)
        .map(([value, at, key, other]) => breakAt(value, at, key, other)),
    },
  );
}

function breakAt(value: unknown, at: number, key: string, other: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return other;
  const entries = Object.entries(value);
  const [name, inner] = entries[at % Math.max(1, entries.length)] ?? [];
  switch (name === undefined ? 0 : at % 4) {
    case 0:
      return { ...value, [key]: other };
    case 1:
      return { ...value, [name!]: other };
    case 2:
      return Object.fromEntries(entries.filter(([each]) => each !== name));
    default:
      return { ...value, [name!]: breakAt(inner, at >> 2, key, other) };
  }
}
