import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UUID_PATTERN, uuidV5, uuidV7 } from '../../src/common/uuid.js';

const DNS = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

describe('a UUID of version 5', () => {
  it('is the one of RFC 9562, appendix A.4', () => {
    expect(uuidV5(DNS, 'www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
  });

  it('is the one that others make of the same name', () => {
    // Python: uuid.uuid5(uuid.NAMESPACE_DNS, 'python.org')
    expect(uuidV5(DNS, 'python.org')).toBe('886313e1-3b8a-5372-9b90-0c9aee199e5d');
    expect(uuidV5(DNS.toUpperCase(), 'python.org')).toBe('886313e1-3b8a-5372-9b90-0c9aee199e5d');
  });

  it('depends on the namespace and on every byte of the name, and on nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        expect(uuidV5(DNS, one)).toBe(uuidV5(DNS, one));
        expect(uuidV5(DNS, one) === uuidV5(DNS, other)).toBe(Buffer.from(one).equals(Buffer.from(other)));
        expect(uuidV5(DNS, one)).not.toBe(uuidV5(URL_NAMESPACE, one));
        expect(uuidV5(DNS, one)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      }),
    );
  });
});

describe('a UUID of version 7', () => {
  it('begins with the milliseconds, as in RFC 9562, appendix A.6', () => {
    expect(uuidV7(0x017f22e279b0)).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('sorts by time as a text, and never comes twice', () => {
    const time = fc.nat(2 ** 47);
    fc.assert(
      fc.property(fc.uniqueArray(time, { minLength: 2 }), (times) => {
        const ascending = times.toSorted((one, other) => one - other);
        const ids = ascending.map((ms) => uuidV7(ms));
        expect(ids.toSorted()).toEqual(ids);
        expect(uuidV7(times[0]!)).not.toBe(uuidV7(times[0]!));
      }),
    );
  });

  it('is of the present unless told otherwise', () => {
    const before = Date.now();
    const ms = Number.parseInt(uuidV7().replaceAll('-', '').slice(0, 12), 16);
    expect(ms).toBeGreaterThanOrEqual(before);
    expect(ms).toBeLessThanOrEqual(Date.now());
  });
});

describe('the pattern of a UUID', () => {
  it('takes every version in both cases and nothing around it', () => {
    for (const id of [DNS, DNS.toUpperCase(), uuidV7(), '00000000-0000-0000-0000-000000000000'])
      expect(id).toMatch(UUID_PATTERN);
    for (const text of [
      `${DNS}\n`,
      ` ${DNS}`,
      `{${DNS}}`,
      DNS.replaceAll('-', ''),
      DNS.slice(1),
      `urn:uuid:${DNS}`,
      DNS.replace('6', 'g'),
    ]) {
      expect(text).not.toMatch(UUID_PATTERN);
    }
  });
});
