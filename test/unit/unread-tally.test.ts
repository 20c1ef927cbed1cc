import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { takeBatch } from '../../src/storage/write/batch-keys.js';
import type { ChatOperation } from '../../src/storage/write/chat-operation.js';
import { decideAll } from '../../src/storage/write/decide.js';
import { ChatRows } from './chat-rows.js';
import { sampleChatId, sampleMessage, sampleParticipant } from './sample-records.js';

const base = { chatId: sampleChatId(1), actor: { type: 'service' as const } };
const USERS = ['alice', 'bob', 'carol'];
const FIRST_MESSAGES = 8;

const user = fc.constantFrom(...USERS);
/** Places among the first messages, among those that the history sends, and beyond. */
const seq = fc.integer({ min: 1, max: 3 * FIRST_MESSAGES });
const kind = fc.constantFrom('user' as const, 'user' as const, 'user' as const, 'system' as const);

const operation: fc.Arbitrary<ChatOperation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({ senderId: user, kind, clientId: fc.constantFrom(null, null, 'k1', 'k2') })
      .map((some): ChatOperation => {
        const content = { text: 'x', metadataJson: null, replyTo: null, createdAtMs: null };
        return { ...base, type: 'send', ...content, ...some };
      }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ userId: user, seq }).map((some): ChatOperation => ({ ...base, type: 'markRead', ...some })),
  },
  { weight: 3, arbitrary: seq.map((place): ChatOperation => ({ ...base, type: 'delete', seq: place })) },
  { weight: 1, arbitrary: seq.map((place): ChatOperation => ({ ...base, type: 'edit', seq: place, text: 'y' })) },
  {
    weight: 1,
    arbitrary: fc
      .record({ seq, userId: user, present: fc.boolean() })
      .map((some): ChatOperation => ({ ...base, type: 'react', emoji: '👍', ...some })),
  },
  { weight: 1, arbitrary: user.map((userId): ChatOperation => ({ ...base, type: 'join', userId })) },
  { weight: 1, arbitrary: user.map((userId): ChatOperation => ({ ...base, type: 'leave', userId })) },
);

/** Some messages, some of them deleted or of the system, and everybody with a read marker among them. */
const firstRows = fc
  .record({
    messages: fc.array(fc.record({ senderId: user, kind, isDeleted: fc.boolean() }), {
      minLength: FIRST_MESSAGES,
      maxLength: FIRST_MESSAGES,
    }),
    markers: fc.array(fc.integer({ min: 0, max: FIRST_MESSAGES }), { minLength: 3, maxLength: 3 }),
  })
  .map(({ messages, markers }) => () => {
    const rows = new ChatRows(base.chatId);
    rows.head = { lastSeq: FIRST_MESSAGES, version: 20, resetVersion: 0 };
    for (const [at, { isDeleted, ...message }] of messages.entries()) {
      rows.messages.set(at + 1, sampleMessage({ seq: at + 1, ...message, deletedAtMs: isDeleted ? 1 : null }));
    }
    for (const [at, lastReadSeq] of markers.entries()) {
      const userId = USERS[at]!;
      rows.participants.set(userId, sampleParticipant({ userId, role: 'owner', lastReadSeq }));
    }
    return rows;
  });

describe('unread counts of a batch', () => {
  it('are those of the very version that each marker is answered and announced with', () => {
    const seen = { moved: 0, kept: 0, followed: 0, repeated: 0 };
    fc.assert(
      fc.property(
        firstRows,
        fc.array(operation, { minLength: 1, maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 60 }),
        (makeRows, operations, limit) => {
          const rows = makeRows();
          const queue = operations.map((each) => ({ operation: each }));
          while (queue.length > 0) {
            const batch = takeBatch(queue, limit).map((each) => each.operation);
            const { decisions, head } = decideAll(rows.head, rows.lock(batch), batch);
            const marked = new Set<string>();
            // The rows go forward one operation after the other: what they have is what the version has.
            for (const [at, decision] of decisions.entries()) {
              if ('error' in decision) continue;
              rows.write([decision], head);
              const { operation: asked, result, change } = decision;
              if (asked.type !== 'markRead') continue;
              const { userId, lastReadSeq } = rows.participants.get(asked.userId)!;
              expect(result.participant).toMatchObject({ userId, lastReadSeq });
              expect(lastReadSeq).toBeGreaterThanOrEqual(asked.seq);
              expect(result.unread).toBe(rows.countUnread(userId, lastReadSeq));
              if (change !== undefined) expect(change).toMatchObject({ cause: 'read', unread: result.unread });
              seen[change === undefined ? 'kept' : 'moved']++;
              if (decisions.slice(at + 1).some((later) => 'writes' in later && later.writes?.insert)) seen.followed++;
              if (marked.has(userId)) seen.repeated++;
              marked.add(userId);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
  });
});
