import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inboxCursor, parseInboxCursor } from '../../src/cache/read/inbox-cursor.js';
import { ShownChats } from '../../src/cache/read/shown-chats.js';

/** Chats with ids in no order, some of them alike but for a digit, and whether each was shown. */
const chats = fc
  .uniqueArray(
    fc.oneof(
      fc.uuid(),
      fc.nat(5000).map((number) => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`),
    ),
    { maxLength: 400, size: 'max' },
  )
  .chain((ids) => fc.tuple(fc.constant(ids), fc.array(fc.boolean(), { minLength: ids.length, maxLength: ids.length })));

describe('the chats that an inbox has shown', () => {
  it('are told exactly, also after a journey as a cursor, in less than two bits a chat', () => {
    fc.assert(
      fc.property(chats, ([ids, shown]) => {
        const expected = new Map(ids.map((id, at) => [id, shown[at]!]));
        const made = ShownChats.of(ids, (id) => expected.get(id)!);
        const cursor = inboxCursor(made, 'ann');
        expect(cursor).toMatch(/^[\w-]+$/);
        expect(made.toBytes('ann').length).toBeLessThanOrEqual(12 + 4 + Math.ceil((ids.length * 1.3) / 8));
        const read = parseInboxCursor(cursor, 'ann');
        for (const id of ids) {
          expect(made.has(id)).toBe(expected.get(id));
          expect(read.has(id)).toBe(expected.get(id));
        }
        const reversed = ShownChats.of(ids.toReversed(), (id) => expected.get(id)!);
        expect(inboxCursor(reversed, 'ann')).toBe(cursor);
      }),
      { numRuns: 200 },
    );
  });

  it('are found for a user who is in a hundred thousand chats', () => {
    const ids = Array.from({ length: 100_000 }, (_unused, number) => `chat ${number}`);
    const shown = ShownChats.of(ids, (id) => id.endsWith('7'));
    expect(ids.every((id) => shown.has(id) === id.endsWith('7'))).toBe(true);
    expect(shown.toBytes('ann').readUInt32LE(4)).toBeLessThan(8);
    expect(() => ShownChats.of(['a', 'a'], (id) => id === 'a')).toThrow('two of one id');
  });

  it('are not read out of a text that is no cursor', () => {
    const cursor = inboxCursor(
      ShownChats.of(['a', 'b', 'c'], (id) => id === 'b'),
      'ann',
    );
    expect(() => parseInboxCursor(cursor, 'ann')).not.toThrow();
    expect(() => parseInboxCursor(cursor, 'ben')).toThrow('nextCursor of an earlier answer');
    const wrong = (text: string): void =>
      expect(() => parseInboxCursor(text, 'ann')).toThrow(expect.objectContaining({ code: 'invalid_input' }));
    for (const text of ['', 'x', '!', 'AAAA', cursor.slice(4), cursor.slice(0, -4), `${cursor}AAAA`]) wrong(text);
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom('A', 'b', '7', '_'), (at, letter) => {
        fc.pre(cursor[at] !== letter);
        const changed = cursor.slice(0, at) + letter + cursor.slice(at + 1);
        // The last letter carries bits that no byte takes.
        fc.pre(!Buffer.from(changed, 'base64url').equals(Buffer.from(cursor, 'base64url')));
        wrong(changed);
      }),
    );
  });
});
