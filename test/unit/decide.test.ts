import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PARTICIPANT_ROLES } from '../../src/storage/entities/participant.entity.js';
import { takeBatch } from '../../src/storage/write/batch-keys.js';
import type { Actor, ChatOperation, SendOperation } from '../../src/storage/write/chat-operation.js';
import { reactionKey, type Decision } from '../../src/storage/write/chat-state.js';
import { decideAll } from '../../src/storage/write/decide.js';
import { ChatRows } from './chat-rows.js';
import { sampleChatId, sampleMessage, sampleParticipant } from './sample-records.js';

const CHAT = sampleChatId(1);
const USERS = ['alice', 'bob', 'carol', 'dave'];

/** Messages that are there from the beginning: what is edited, deleted, reacted to and replied to. */
const FIRST_MESSAGES = 5;

const user = fc.constantFrom(...USERS);
const actor: fc.Arbitrary<Actor> = fc.oneof(
  fc.constant<Actor>({ type: 'service' }),
  user.map((userId): Actor => ({ type: 'user', userId })),
);
const seq = fc
  .integer({ min: 1, max: FIRST_MESSAGES + 1 })
  .map((number) => (number > FIRST_MESSAGES ? 1_000_000 : number));
const base = { chatId: fc.constant(CHAT), actor };

const send: fc.Arbitrary<SendOperation> = fc.record({
  ...base,
  type: fc.constant('send' as const),
  senderId: user,
  text: fc.constantFrom('one', 'one', 'one', 'two'),
  kind: fc.constantFrom('user' as const, 'user' as const, 'user' as const, 'system' as const),
  clientId: fc.constantFrom(null, 'k1', 'k2', 'k3'),
  metadataJson: fc.constantFrom(null, null, null, '{"a":1}'),
  replyTo: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: seq }),
  createdAtMs: fc.constant(null),
});

const operation: fc.Arbitrary<ChatOperation> = fc.oneof(
  { weight: 8, arbitrary: send },
  {
    weight: 2,
    arbitrary: fc.record({
      ...base,
      type: fc.constant('edit' as const),
      seq,
      text: fc.constantFrom(undefined, 'message 1', 'other'),
      metadataJson: fc.constantFrom(undefined, null, '{"a":1}'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ ...base, type: fc.constant('delete' as const), seq }) },
  {
    weight: 3,
    arbitrary: fc.record({
      ...base,
      type: fc.constant('react' as const),
      seq,
      userId: user,
      emoji: fc.constantFrom('👍', '👎'),
      present: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ ...base, type: fc.constant('markRead' as const), userId: user, seq: fc.nat(20) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ...base,
      type: fc.constant('join' as const),
      userId: user,
      role: fc.constantFrom(undefined, ...PARTICIPANT_ROLES),
    }),
  },
  { weight: 2, arbitrary: fc.record({ ...base, type: fc.constant('leave' as const), userId: user }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ...base,
      type: fc.constant('update' as const),
      title: fc.constantFrom(undefined, null, 'A', 'B'),
      metadataJson: fc.constantFrom(undefined, '{}', '{"b":2}'),
    }),
  },
);

/** Most histories go on to the end; some remove the chat on the way. */
const history = fc
  .tuple(fc.array(operation, { minLength: 1, maxLength: 80, size: 'max' }), fc.option(fc.nat(80), { freq: 3 }))
  .map(([operations, removeAt]) => {
    if (removeAt === null) return operations;
    const remove: ChatOperation = { type: 'remove', chatId: CHAT, actor: { type: 'service' } };
    return operations.toSpliced(removeAt, 0, remove);
  });

function firstRows(): ChatRows {
  const rows = new ChatRows(CHAT);
  rows.head = { lastSeq: FIRST_MESSAGES, version: FIRST_MESSAGES + 1, resetVersion: 0 };
  for (let number = 1; number <= FIRST_MESSAGES; number++) {
    rows.messages.set(number, sampleMessage({ seq: number, senderId: USERS[number % 3]! }));
  }
  rows.participants.set('alice', sampleParticipant({ userId: 'alice', role: 'owner' }));
  rows.participants.set('bob', sampleParticipant({ userId: 'bob', role: 'admin' }));
  rows.participants.set('carol', sampleParticipant({ userId: 'carol', role: 'readonly' }));
  return rows;
}

/** Decides a history in batches of a size, as the group commit cuts them. */
function decideInBatches(
  operations: readonly ChatOperation[],
  limit: number,
  onBatch: (rows: ChatRows, batch: readonly ChatOperation[], decisions: readonly Decision[]) => void = () => undefined,
): { readonly rows: ChatRows; readonly decisions: Decision[] } {
  const rows = firstRows();
  const all: Decision[] = [];
  const queue = operations.map((each) => ({ operation: each }));
  while (queue.length > 0) {
    const batch = takeBatch(queue, limit).map((each) => each.operation);
    const { decisions, head } = decideAll(rows.head, rows.lock(batch), batch);
    onBatch(rows, batch, decisions);
    rows.write(decisions, head);
    all.push(...decisions);
  }
  return { rows, decisions: all };
}

/** Who reacted first with what is told by the rows alone: here it is which emoji there are, of whom. */
function outcome(decision: Decision): unknown {
  if ('error' in decision) return decision.error.code;
  const { message } = decision.result;
  if (message === undefined) return decision.result;
  const reactions = message.reactions
    .map(({ emoji, count, userIds }) => ({ emoji, count, userIds: userIds.toSorted() }))
    .toSorted((one, other) => (one.emoji < other.emoji ? -1 : 1));
  return { ...decision.result, message: { ...message, reactions } };
}

describe('deciding operations', () => {
  it('gives one answer to every operation, in order', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 100 }), (operations, limit) => {
        const { decisions } = decideInBatches(operations, limit);
        expect(decisions.every((decision, at) => decision.operation === operations[at])).toBe(true);
        expect(decisions).toHaveLength(operations.length);
      }),
    );
  });

  it('numbers what is accepted without a hole, and gives no number to what is refused, repeated or without effect', () => {
    const seen = { accepted: 0, refused: 0, replayed: 0, unchanged: 0 };
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 100 }), (operations, limit) => {
        const first = firstRows().head;
        let { version, lastSeq } = first;
        const { rows, decisions } = decideInBatches(operations, limit);
        for (const decision of decisions) {
          if ('error' in decision) {
            expect(Object.keys(decision).toSorted()).toEqual(['error', 'operation']);
            seen.refused++;
            continue;
          }
          const { change, writes, result } = decision;
          if (change === undefined) {
            expect(writes).toBeUndefined();
            if (result.replayed === true) seen.replayed++;
            else seen.unchanged++;
          } else {
            expect(change.version).toBe(++version);
            expect(Object.keys(writes!)).toHaveLength(1);
            if (writes?.insert !== undefined) expect(writes.insert.seq).toBe(++lastSeq);
            seen.accepted++;
          }
          expect(result.version).toBe(version);
        }
        expect(rows.head).toEqual({ ...first, version, lastSeq });
        expect([...rows.messages.keys()].toSorted((one, other) => one - other)).toEqual(
          Array.from({ length: lastSeq }, (_unused, at) => at + 1),
        );
      }),
      { numRuns: 300 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
  });

  it('comes to the same in batches as one by one', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 2, max: 100 }), (operations, limit) => {
        const together = decideInBatches(operations, limit);
        const single = decideInBatches(operations, 1);
        expect(together.decisions.map(outcome)).toEqual(single.decisions.map(outcome));
        expect(together.rows).toEqual(single.rows);
      }),
      { numRuns: 300 },
    );
  });

  it('takes reactions to one message together, but not the same one twice, nor with what else changes the message', () => {
    const react = (userId: string, emoji: string, present = true): ChatOperation => {
      return { type: 'react', chatId: CHAT, actor: { type: 'service' }, seq: 1, userId, emoji, present };
    };
    const change: ChatOperation = { type: 'delete', chatId: CHAT, actor: { type: 'service' }, seq: 1 };
    const sizes = (...operations: ChatOperation[]): number[] => {
      const taken: number[] = [];
      const queue = operations.map((each) => ({ operation: each }));
      while (queue.length > 0) taken.push(takeBatch(queue, 100).length);
      return taken;
    };
    expect(sizes(react('alice', '1'), react('alice', '2'), react('bob', '1'), { ...change, seq: 2 })).toEqual([4]);
    expect(sizes(react('alice', '1'), react('bob', '1'), react('alice', '1', false))).toEqual([2, 1]);
    expect(sizes(react('alice', '1'), change, react('bob', '1'))).toEqual([1, 1, 1]);
    expect(sizes(...Array.from({ length: 100 }, (_unused, at) => react(`user ${at}`, '1')))).toEqual([64, 36]);
  });

  it('decides each reaction by all before it in the batch', () => {
    const emoji = ['1', '1', '2', '3'];
    const batch = emoji.map((each, at): ChatOperation => {
      return {
        type: 'react',
        chatId: CHAT,
        actor: { type: 'service' },
        seq: 1,
        userId: USERS[at]!,
        emoji: each,
        present: true,
      };
    });
    const rows = firstRows();
    const { decisions } = decideAll(rows.head, rows.lock(batch), batch);
    const counts = decisions.map(
      (decision) => 'result' in decision && decision.result.message!.reactions.map(({ count }) => count),
    );
    expect(counts).toEqual([[], [1], [2], [2, 1]]);
  });

  it('changes nothing that it is given, and decides the same again', () => {
    fc.assert(
      fc.property(history, (operations) => {
        decideInBatches(operations, 100, (rows, batch, decisions) => {
          const locked = rows.lock(batch);
          const before = structuredClone({ head: rows.head, locked, batch });
          const again = decideAll(rows.head, locked, batch);
          expect({ head: rows.head, locked, batch }).toEqual(before);
          expect(again.decisions.map(outcome)).toEqual(decisions.map(outcome));
        });
      }),
    );
  });

  it('gives the first message again for the same clientId of the same sender, whatever happened to it meanwhile', () => {
    fc.assert(
      fc.property(history, (operations) => {
        const firsts = new Map<string, number>();
        for (const decision of decideInBatches(operations, 100).decisions) {
          const { operation: each } = decision;
          if (each.type !== 'send' || each.clientId === null || 'error' in decision) continue;
          const key = `${each.senderId} ${each.clientId}`;
          const { replayed, message } = decision.result;
          expect(replayed).toBe(firsts.has(key));
          if (replayed === true) expect(message!.seq).toBe(firsts.get(key));
          firsts.set(key, message!.seq);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('an emoji on a message that has 100 different ones', () => {
  const LIMIT = 100;
  const react = (emoji: string, userId: string, present = true): ChatOperation => ({
    ...{ type: 'react', chatId: CHAT, actor: { type: 'service' } },
    ...{ seq: 1, userId, emoji, present },
  });

  /** What comes of an operation on a message that Alice has put so many different emoji on. */
  function decideWith(emojis: number, operation: ChatOperation): unknown {
    const rows = firstRows();
    const names = Array.from({ length: emojis }, (_unused, at) => `emoji ${at + 1}`);
    const reactions = names.map((emoji) => ({ emoji, count: 1, userIds: ['alice'] }));
    rows.messages.set(1, sampleMessage({ seq: 1, reactions }));
    for (const emoji of names) rows.reactions.add(reactionKey(1, 'alice', emoji));
    return outcome(decideAll(rows.head, rows.lock([operation]), [operation]).decisions[0]!);
  }

  const changed = expect.objectContaining({ version: FIRST_MESSAGES + 2 });

  it('is refused when it would be another, and is let in when it is the last that there is room for', () => {
    expect(decideWith(LIMIT, react('another', 'bob'))).toBe('too_many_reactions');
    expect(decideWith(LIMIT, react('another', 'alice'))).toBe('too_many_reactions');
    expect(decideWith(LIMIT - 1, react('another', 'bob'))).toEqual(changed);
  });

  it.each([LIMIT, LIMIT + 1])('is let in when it is one of them, which here are %i', (emojis) => {
    expect(decideWith(emojis, react('emoji 7', 'bob'))).toEqual(changed);
    expect(decideWith(emojis, react('emoji 7', 'alice'))).toEqual({ version: FIRST_MESSAGES + 1 });
    expect(decideWith(emojis, react('emoji 7', 'alice', false))).toEqual(changed);
    expect(decideWith(emojis, react('another', 'alice', false))).toEqual({ version: FIRST_MESSAGES + 1 });
  });
});
