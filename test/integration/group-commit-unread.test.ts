import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { isCountable, type MessageRecord } from '../../src/storage/records.js';
import { COUNT_UNREAD_AFTER } from '../../src/storage/statements/count-unread.js';
import { LOOK_UP_MESSAGES } from '../../src/storage/statements/look-up.js';
import type { Change } from '../../src/storage/write/change.js';
import { ChangeFeed } from '../../src/storage/write/change-feed.js';
import { GroupCommit } from '../../src/storage/write/group-commit.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const USERS = ['alice', 'bob', 'carol'];
const MESSAGES = 30;

let running: TestInstance;
let chats: ChatRepository;
let messages: MessageRepository;
const announced = new Map<string, Change[]>();

beforeAll(async () => {
  running = await startTestInstance();
  chats = running.instance.app.get(ChatRepository);
  messages = running.instance.app.get(MessageRepository);
  running.instance.app.get(ChangeFeed).subscribe({
    onCommitted: ({ chatId, changes }) => announced.set(chatId, [...(announced.get(chatId) ?? []), ...changes]),
    onVersionSeen: () => undefined,
    onOutcomeUnknown: () => undefined,
  });
});
afterAll(() => running.close());

const seq = fc.integer({ min: 1, max: MESSAGES });
const user = fc.constantFrom(...USERS);
type Run = (chatId: string) => Promise<unknown>;
const step: fc.Arbitrary<Run> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ senderId: user, kind: fc.constantFrom('user' as const, 'user' as const, 'system' as const) })
      .map(
        (some): Run =>
          (chatId) =>
            messages.createMessage({ chatId, text: 'x', ...some }),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(user, seq).map(
      ([userId, at]): Run =>
        (chatId) =>
          chats.markRead(chatId, userId, at),
    ),
  },
  {
    weight: 2,
    arbitrary: seq.map(
      (at): Run =>
        (chatId) =>
          messages.deleteMessage(chatId, at),
    ),
  },
  {
    weight: 1,
    arbitrary: seq.map(
      (at): Run =>
        (chatId) =>
          messages.react(chatId, at, { userId: 'bob', emoji: '👍', present: true }),
    ),
  },
);

/** Goes through what was announced, change by change, and counts at every marker what is unread at its version. */
function countMarkers(changes: readonly Change[]): number {
  const present = new Map<number, MessageRecord>();
  let markers = 0;
  for (const change of changes) {
    if (change.type === 'message') present.set(change.message.seq, change.message);
    if (change.type !== 'participant') continue;
    const { userId, lastReadSeq } = change.participant;
    const unread = [...present.values()].filter(
      (message) => message.seq > lastReadSeq && message.senderId !== userId && isCountable(message),
    );
    expect(change).toMatchObject({ cause: 'read', unread: unread.length });
    markers++;
  }
  return markers;
}

describe('read markers', () => {
  it('announce the unread messages of their own version, whatever is written in the same transaction', async () => {
    let markers = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }), { minLength: 1 }),
        async (bursts) => {
          const { chatId } = await chats.createChat({ participants: USERS.map((userId) => ({ userId })) });
          const first = Array.from({ length: MESSAGES / 2 }, (_unused, at) =>
            messages.createMessage({ chatId, senderId: USERS[at % 3]!, text: 'first' }),
          );
          await Promise.all(first);
          for (const burst of bursts) await Promise.allSettled(burst.map((run) => run(chatId)));
          const changes = announced.get(chatId)!.filter(({ type }) => type !== 'created');
          expect(changes.map(({ version }) => version)).toEqual(changes.map((_change, at) => at + 2));
          markers += countMarkers(changes);
        },
      ),
      { numRuns: 40 },
    );
    expect(markers).toBeGreaterThan(100);
  }, 120_000);

  it('go with messages into one transaction, several of one user as well', async () => {
    const { chatId } = await chats.createChat({ participants: USERS.map((userId) => ({ userId })) });
    const sizes: number[] = [];
    running.instance.app.get(GroupCommit).observe({ onBatch: (size) => sizes.push(size) });
    const send = (): Promise<unknown> => messages.createMessage({ chatId, senderId: 'alice', text: 'x' });
    await Promise.all([send(), send(), send()]);
    sizes.length = 0;
    const [one, , two, , back] = await Promise.all([
      chats.markRead(chatId, 'bob', 1),
      send(),
      chats.markRead(chatId, 'bob', 4),
      send(),
      chats.markRead(chatId, 'bob', 2),
    ]);
    expect(sizes).toEqual([5]);
    expect(one).toMatchObject({ version: 5, unread: 2 });
    expect(two).toMatchObject({ version: 7, unread: 0 });
    expect(back).toMatchObject({ version: 8, unread: 1, participant: { lastReadSeq: 4 } });
    const [row] = await running.database.query(
      `SELECT last_read_seq, version FROM participant WHERE chat_id = $1 AND user_id = 'bob'`,
      [chatId],
    );
    expect(row).toEqual({ last_read_seq: '4', version: '7' });
  });

  it('are counted, and messages looked up, by their key alone in tables without statistics', async () => {
    await running.database.query(
      `ALTER TABLE message SET (autovacuum_enabled = off);
       SET scrollback.writer = 'application';
       INSERT INTO message (chat_id, seq, version, sender_id, text)
         SELECT gen_random_uuid(), 1, 1, 'somebody', 'x' FROM generate_series(1, 20000);
       SET plan_cache_mode = force_generic_plan`,
    );
    for (const { name, text } of [COUNT_UNREAD_AFTER, LOOK_UP_MESSAGES]) {
      const values = name === COUNT_UNREAD_AFTER.name ? `'{}', '{}', '{}'` : `'{}', '{}'`;
      await running.database.query(`PREPARE "${name}" AS ${text}`);
      const lines = await running.database.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN (COSTS OFF) EXECUTE "${name}" (${values})`,
      );
      const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
      expect(plan).toContain('message_pkey');
      expect(plan).not.toContain('Seq Scan on message');
    }
  });
});
