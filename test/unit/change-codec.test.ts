import { describe, expect, it } from '@jest/globals';
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import {
  decodeMessage,
  encodeChanges,
  encodeHead,
  encodeVersion,
  type DecodedMessage,
} from '../../src/cache/coherence/bus/change-codec.js';
import { MessageWriter } from '../../src/cache/coherence/bus/message-writer.js';
import { asCommitted, type Change, type ChatChanges } from '../../src/storage/write/change.js';

const MAX_BYTES = 900_000;
const HEAD = { sender: 'ann', sentAtMs: 1_764_000_000_000, beat: 7, run: '7000.00000001.16384' };

/** Any UTF-16, lone surrogates, line feeds and zeros among it. */
const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const perhaps = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });

const message = fc.record({
  seq: count,
  version: count,
  senderId: text,
  clientId: perhaps(text),
  kind: fc.constantFrom('user' as const, 'system' as const),
  text: perhaps(text),
  metadataJson: perhaps(text),
  replyTo: perhaps(count),
  createdAtMs: count,
  editedAtMs: perhaps(count),
  deletedAtMs: perhaps(count),
  reactions: fc.array(fc.record({ emoji: text, count, userIds: fc.array(text, { maxLength: 3 }) }), { maxLength: 3 }),
});

const participant = fc.record({
  userId: text,
  role: fc.constantFrom('owner' as const, 'admin' as const, 'member' as const, 'readonly' as const),
  joinedAtMs: count,
  leftAtMs: perhaps(count),
  lastReadSeq: count,
  version: count,
});

const chat = fc.record({
  id: fc.uuid(),
  kind: fc.constantFrom('direct' as const, 'group' as const, 'channel' as const),
  title: perhaps(text),
  metadataJson: text,
  createdBy: perhaps(text),
  createdAtMs: count,
  updatedAtMs: count,
});

/** A change of each kind; its version is given to it by its place. */
const change: fc.Arbitrary<(version: number) => Change> = fc.oneof(
  fc
    .record({ message, wasCountable: fc.boolean(), cause: fc.constantFrom('sent', 'edited', 'deleted', 'reacted') })
    .map(
      (fields) =>
        (version: number): Change =>
          ({ type: 'message', version, ...fields }) as Change,
    ),
  fc
    .record(
      { participant, cause: fc.constantFrom('joined', 'changed', 'left'), unread: count },
      { requiredKeys: ['participant', 'cause'] },
    )
    .map(
      (fields) =>
        (version: number): Change =>
          ({ type: 'participant', version, ...fields }) as Change,
    ),
  chat.map((record) => (version: number): Change => ({ type: 'chat', version, chat: record })),
  fc.array(text).map((userIds) => (version: number): Change => ({ type: 'created', version, userIds })),
  fc.constant((version: number): Change => ({ type: 'removed', version })),
);

const chatChanges: fc.Arbitrary<ChatChanges> = fc
  .tuple(fc.uuid(), fc.integer({ min: 1, max: 10 ** 12 }), fc.array(change, { minLength: 1, maxLength: 4 }))
  .map(([chatId, first, steps]) => ({ chatId, changes: steps.map((make, at) => make(first + at)) }));

const all = (): boolean => true;

function messageOf(sets: readonly ChatChanges[], versions: readonly [chatId: string, version: number][] = []): Buffer {
  const writer = new MessageWriter(MAX_BYTES);
  for (const each of sets) writer.add(encodeChanges(asCommitted(each)));
  for (const [id, version] of versions) writer.add(encodeVersion(id, version));
  return writer.finish(HEAD);
}

describe('a message of a bus', () => {
  it('brings changes of every kind as they were, through UTF-8', () => {
    fc.assert(
      fc.property(fc.array(chatChanges, { maxLength: 4 }), (sets) => {
        const decoded = decodeMessage(messageOf(sets), 'bob', all);
        expect(decoded?.head).toEqual(HEAD);
        expect(decoded?.heard).toEqual(
          sets.map((changes) => ({
            chatId: changes.chatId,
            run: HEAD.run,
            version: changes.changes.at(-1)!.version,
            changes,
            publishedAtMs: HEAD.sentAtMs,
          })),
        );
      }),
    );
  });

  it('has nothing that PostgreSQL would not take for text', () => {
    fc.assert(
      fc.property(fc.array(chatChanges, { maxLength: 3 }), (sets) => {
        const bytes = messageOf(sets);
        expect(bytes).not.toContain(0);
        expect(isUtf8(bytes)).toBe(true);
      }),
    );
  });

  it('tells the version of a chat whose changes are not wanted, and of one that has only that', () => {
    fc.assert(
      fc.property(fc.array(chatChanges, { minLength: 1, maxLength: 4 }), fc.uuid(), (sets, chatId) => {
        const decoded = decodeMessage(messageOf(sets, [[chatId, 12]]), 'bob', () => false);
        expect(decoded?.heard.map((heard) => [heard.chatId, heard.skippedFrom, heard.version])).toEqual([
          ...sets.map(({ chatId: id, changes }) => [id, changes[0]!.version, changes.at(-1)!.version]),
          [chatId, undefined, 12],
        ]);
        expect(decoded?.heard.every(({ changes }) => changes === undefined)).toBe(true);
      }),
    );
  });

  it('says before its changes whether they concern members', () => {
    const asked: boolean[] = [];
    const member = { userId: 'u', role: 'member', joinedAtMs: 0, leftAtMs: null, lastReadSeq: 0, version: 2 } as const;
    const chatId = '01980000-0000-7000-8000-000000000001';
    const single = (each: Change): ChatChanges => ({ chatId, changes: [each] });
    const sets = [
      single({ type: 'created', version: 2, userIds: [] }),
      single({ type: 'participant', version: 2, cause: 'joined', participant: member }),
      single({ type: 'participant', version: 2, cause: 'left', participant: member }),
      single({ type: 'participant', version: 2, cause: 'read', participant: member, unread: 0 }),
      single({ type: 'participant', version: 2, cause: 'changed', participant: member }),
      single({ type: 'removed', version: 2 }),
    ];
    decodeMessage(messageOf(sets), 'bob', (_chatId, concernsMembers) => asked.push(concernsMembers) > 0);
    expect(asked).toEqual([true, true, true, false, false, false]);
  });

  it('of the listener’s own has a head and nothing else to tell', () => {
    const own = messageOf([
      { chatId: '01980000-0000-7000-8000-000000000001', changes: [{ type: 'removed', version: 3 }] },
    ]);
    expect(decodeMessage(own, 'ann', all)).toEqual({ head: HEAD, heard: [] });
  });

  it('that is cut short, changed or foreign is not read, and nothing is thrown', () => {
    const decode = (...parts: readonly (string | Buffer)[]): DecodedMessage | undefined =>
      decodeMessage(Buffer.concat(parts.map((part) => Buffer.from(part))), 'bob', all);
    fc.assert(
      fc.property(fc.array(chatChanges, { minLength: 1, maxLength: 2 }), fc.nat(), text, (sets, seed, garbage) => {
        const whole = messageOf(sets);
        const headLength = encodeHead(HEAD).length;
        const bounds = new Set([0, headLength]);
        for (const at of sets.keys()) bounds.add(messageOf(sets.slice(0, at + 1)).length);
        const cut = seed % whole.length;
        expect(decode(whole.subarray(0, cut)) === undefined).toBe(!bounds.has(cut) || cut === 0);
        expect(decode(whole.subarray(0, headLength), garbage) === undefined).toBe(garbage !== '');
        expect(decode(garbage)).toBeUndefined();
        expect(decode(whole, 'x')).toBeUndefined();
      }),
    );
    const frame = '01980000-0000-7000-8000-000000000001';
    const head = encodeHead(HEAD);
    for (const wrong of [
      `[1${head.slice(2)}`,
      'null\n',
      '{}\n',
      '[4,"ann",null,7,""]\n',
      `${head}${frame} 5 4 - 0\n`,
      `${head}${frame} 1 1 x 0\n`,
      `${head}${frame} 1 1 - -1\n`,
      `${head}${frame} 1 1 - 9\n[]`,
      `${head}${frame} 1 1 - \n[]`,
      `${head}${frame} 1 1 - 2 \n[]`,
      `${head}${frame} 1 1 -`,
      `${head}${frame} 1 1 - 2`,
      `${head}${frame} 1 1  2\n[]`,
      `${head}${frame}  1 1 - 2\n[]`,
      `${head}${frame} 1 1.5 - 0\n`,
      `${head}${frame} 1 ${'1'.repeat(16)} - 0\n`,
      `${head}${frame} 1 1 - 2\n[]`,
      `${head}${frame} 1 1 - 6\n[null]`,
      `${head}${frame} 1 1 - 32\n[{"version":2,"type":"removed"}]`,
      `${head}${frame} 1 1 - 32\n[{"version":1,"type":"strange"}]`,
      `${head}nobody 1 1 - 0\n`,
    ]) {
      expect([wrong, decode(wrong)]).toEqual([wrong, undefined]);
    }
    expect(decode(`${head}${frame} 1 1 - 32\n[{"version":1,"type":"removed"}]`)?.heard).toHaveLength(1);
  });
});
