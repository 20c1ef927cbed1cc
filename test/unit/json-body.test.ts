import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ScrollbackError } from '../../src/common/scrollback-error.js';
import { textFault } from '../../src/common/storable-json.js';
import { parseJsonBody } from '../../src/http/json-body.js';

function parse(text: string): unknown {
  return parseJsonBody(Buffer.from(text));
}

function refusal(body: string | Buffer): ScrollbackError {
  try {
    parseJsonBody(Buffer.from(body));
  } catch (error) {
    if (error instanceof ScrollbackError) return error;
    throw error;
  }
  throw new Error('it was expected to be refused');
}

/** The field that an `invalid_input` names. */
function refusedField(body: string): string {
  const error = refusal(body);
  expect(error.code).toBe('invalid_input');
  expect(error.errors).toHaveLength(1);
  return error.errors![0]!.field;
}

const storableText = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\u0000') && text.isWellFormed());
const storableKey = storableText.filter((text) => !['__proto__', 'constructor', 'prototype'].includes(text));
const storable = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    storableText,
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).filter((number) => !Object.is(number, -0)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(storableKey, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

describe('a JSON body', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(storable, (value) => {
        expect(parse(JSON.stringify(value))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it('may be empty', () => {
    expect(parseJsonBody(Buffer.alloc(0))).toBeUndefined();
  });

  it('is refused when it is not JSON', () => {
    for (const text of ['{', ' ', '{"a":1,}', "{'a':1}", 'undefined', '\ufeff{}', '{"a":01}', 'NaN', '"\u0001"']) {
      expect(refusal(text).code).toBe('invalid_json');
    }
  });

  it('is refused when it is not UTF-8', () => {
    const overlong = Buffer.from([0x22, 0xc0, 0xaf, 0x22]);
    const cut = Buffer.from('"é"').subarray(0, 2);
    const surrogate = Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]);
    for (const body of [overlong, cut, surrogate, Buffer.from([0xff])]) expect(refusal(body).code).toBe('invalid_json');
  });

  it('is refused with NUL or a lone surrogate anywhere, naming where', () => {
    expect(refusedField('{"text":"a\\u0000b"}')).toBe('text');
    expect(refusedField('{"metadata":{"list":[1,"\\ud83c"]}}')).toBe('metadata.list[1]');
    expect(refusedField('{"text":"\\udf55\\ud83c"}')).toBe('text');
    expect(refusedField('"\\u0000"')).toBe('body');
    expect(refusedField('{"a\\u0000":1}')).toBe('a\\u0000');
    expect(refusedField('{"a":{"b\\udc00":1}}')).toBe('a.b\\udc00');
    expect(refusedField('{"a\\n":{"b\\u0085":"\\u0000"}}')).toBe('a\\u000a.b\\u0085');
    expect(parse('{"text":"\\ud83c\\udf55"}')).toEqual({ text: '🍕' });
  });

  it('is refused with a number in metadata that would lose digits, saying what to do', () => {
    const integers = ['9007199254740992', '-9007199254740993', '123456789012345678901234567890', '1e300'];
    for (const number of integers) {
      expect(refusedField(`{"metadata":{"n":${number}}}`)).toBe('metadata.n');
      expect(refusal(`{"metadata":[${number}]}`).message).toBe(
        'metadata[0]: is beyond 2^53 and would lose digits; send it as text',
      );
    }
    expect(refusal('{"metadata":-1e400}').message).toBe(
      'metadata: is beyond 1.8e308, the largest number there is; send it as text',
    );
    expect(parse('{"metadata":[9007199254740991,-9007199254740991,0.5,1e3]}')).toEqual({
      metadata: [9007199254740991, -9007199254740991, 0.5, 1000],
    });
  });

  it('leaves numbers elsewhere to who knows what the field may be', () => {
    expect(parse('{"replyTo":1e400,"metadatas":9007199254740992}')).toEqual({
      replyTo: Infinity,
      metadatas: 9007199254740992,
    });
  });

  it('is refused with keys that reach for prototypes, at any depth', () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      expect(refusedField(`{"${key}":{"polluted":true}}`)).toBe(key);
      expect(refusedField(`{"a":[{"${key}":1}]}`)).toBe(`a[0].${key}`);
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('is refused when it is nested deeper than 32 levels, however deep', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parse(nested(32))).toBeDefined();
    for (const depth of [33, 30_000]) expect(refusal(nested(depth)).code).toBe('invalid_input');
    expect(refusal(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`).code).toBe('invalid_input');
  });

  it('is refused by a field name of bounded length, whatever its keys', () => {
    const key = 'k'.repeat(60_000);
    for (const value of ['"\\u0000"', '1e400', '{"__proto__":1}']) {
      expect(refusedField(`{"metadata":{"${key}":${value}}}`).length).toBeLessThanOrEqual(101);
    }
  });
});

describe('a text', () => {
  it('is faulty exactly when PostgreSQL or UTF-8 cannot keep it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes)),
        ),
        (text) => {
          const survives = Buffer.from(text).toString() === text && !text.includes('\u0000');
          expect(textFault(text) === undefined).toBe(survives);
        },
      ),
      { numRuns: 500 },
    );
  });
});
