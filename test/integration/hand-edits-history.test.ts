import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { WireChanges } from '../../src/cache/wire-types.js';
import { COUNT_UNREAD } from '../../src/storage/statements/count-unread.js';
import { ChatReplica } from '../e2e/chat-replica.js';
import { seededRuns } from '../e2e/property.js';
import { HISTORY_USERS, historyStep, runStep, type HistoryStep } from '../e2e/random-history.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { takeSnapshot } from './cache-snapshot.js';
import { expectSound } from './hand-edit-checks.js';

/** What a person does with psql. Parameters: `$1` chat, `$2` another chat, `$3` a seq near the end, `$4` a user, `$5` a text. */
const HAND_EDITS = [
  `INSERT INTO message (chat_id, sender_id, text) SELECT $1, $4, $5 || n FROM generate_series(1, 3) n`,
  `INSERT INTO message (chat_id, sender_id, text, seq) SELECT $1, $4, $5, last_seq + n
   FROM chat_head, generate_series(1, 2) n WHERE chat_id = $1`,
  `INSERT INTO message (chat_id, sender_id, text, seq) SELECT $1, $4, $5, n
   FROM chat_head, generate_series(1, last_seq) n WHERE chat_id = $1 ON CONFLICT DO NOTHING`,
  `WITH added AS (INSERT INTO message (chat_id, sender_id, text) SELECT chat_id, $4, $5 FROM chat_head WHERE chat_id IN ($1, $2)),
     changed AS (UPDATE message SET text = text || '+' WHERE chat_id IN ($1, $2) AND seq >= $3 AND deleted_at IS NULL)
   DELETE FROM reaction WHERE chat_id = $2`,
  `UPDATE message SET text = $5 WHERE chat_id = $1 AND seq >= $3 AND deleted_at IS NULL`,
  `UPDATE message SET sender_id = $4, kind = CASE kind WHEN 'user' THEN 'system' ELSE 'user' END WHERE chat_id = $1 AND seq = $3`,
  `UPDATE message SET text = NULL, deleted_at = now() WHERE chat_id = $1 AND seq = $3 AND deleted_at IS NULL`,
  `UPDATE message SET text = $5, deleted_at = NULL WHERE chat_id = $1 AND seq = $3 AND deleted_at IS NOT NULL`,
  `UPDATE message m SET chat_id = $2, seq = h.last_seq + 1 FROM chat_head h WHERE h.chat_id = $2 AND m.chat_id = $1 AND m.seq = $3`,
  `DELETE FROM message WHERE chat_id = $1 AND seq = $3`,
  `INSERT INTO participant (chat_id, user_id) VALUES ($1, $4)
   ON CONFLICT (chat_id, user_id) DO UPDATE SET left_at = NULL, last_read_seq = participant.last_read_seq / 2`,
  `UPDATE participant SET left_at = now() WHERE chat_id = $1 AND user_id = $4`,
  `DELETE FROM participant WHERE chat_id = $1 AND user_id = $4`,
  `UPDATE participant SET chat_id = $2 WHERE chat_id = $1 AND user_id = $4
   AND NOT EXISTS (SELECT FROM participant WHERE chat_id = $2 AND user_id = $4)`,
  `INSERT INTO reaction (chat_id, seq, user_id, emoji) SELECT $1, seq, $4, 'no' FROM message WHERE chat_id = $1 AND seq >= $3
   AND deleted_at IS NULL ON CONFLICT DO NOTHING`,
  `DELETE FROM reaction WHERE chat_id = $1`,
  `UPDATE chat SET title = $5 WHERE id IN ($1, $2)`,
  `DELETE FROM chat WHERE id = $1`,
  `INSERT INTO chat (id) VALUES ($1) ON CONFLICT DO NOTHING`,
  `TRUNCATE message`,
  `TRUNCATE participant, reaction`,
] as const;

type Step =
  | { type: 'hand'; edit: number; back: number; userId: string; text: string }
  | { type: 'application'; step: HistoryStep };

const LAST_COMMON_EDIT = HAND_EDITS.indexOf('UPDATE chat SET title = $5 WHERE id IN ($1, $2)');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constant('hand' as const),
    edit: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: LAST_COMMON_EDIT }) },
      { weight: 1, arbitrary: fc.integer({ min: LAST_COMMON_EDIT + 1, max: HAND_EDITS.length - 1 }) },
    ),
    back: fc.integer({ min: 0, max: 5 }),
    userId: fc.constantFrom(...HISTORY_USERS),
    text: fc.constantFrom('by hand', 'é🍕\u2028', ' '),
  }),
  fc.record({ type: fc.constant('application' as const), step: historyStep }),
);

let database: TestDatabase;
let running: TestInstance;

beforeAll(async () => {
  database = await createTestDatabase();
  // It looks by itself only once a minute: the test says when.
  running = await startTestInstance({ CACHE_TAIL_MESSAGES: '10', COHERENCE_POLL_MS: '60000' }, database);
});
afterAll(async () => {
  await running.close();
  await database.drop();
});

async function run(each: Step, [chatId, other]: readonly [string, string]): Promise<void> {
  if (each.type === 'application') {
    const isThere = (await running.api.get(`/v1/chats/${chatId}`)).status === 200;
    return isThere ? runStep(running.api, chatId, each.step) : undefined;
  }
  const text = HAND_EDITS[each.edit]!;
  const [head] = await database.query<{ last_seq: string }>('SELECT last_seq FROM chat_head WHERE chat_id = $1', [
    chatId,
  ]);
  const values = [chatId, other, Math.max(1, Number(head!.last_seq) - each.back), each.userId, each.text];
  // Parameters that a statement does not name would have no type.
  const used = values.map((value, at) => (text.includes(`$${at + 1}`) ? value : undefined));
  const casts = ['uuid', 'uuid', 'bigint', 'text', 'text'];
  const kept = used.flatMap((value, at) => (value === undefined ? [] : [at]));
  const numbered = kept.reduce(
    (sql, at, index) => sql.replaceAll(`$${at + 1}`, `$<${index + 1}>::${casts[at]}`),
    text as string,
  );
  const sql = numbered.replaceAll(/\$<(\d)>/g, '$$$1');
  await database
    .query(
      sql,
      kept.map((at) => values[at]),
    )
    .catch((error: unknown) => {
      // In a chat that was deleted nobody can be put, nor a message.
      expect({ sql, error }).toMatchObject({ error: { code: '23503' } });
    });
}

/** Follows a chat as a client does: by its changes, and by loading it again where they cannot be told. */
async function follow(replica: ChatReplica | undefined, chatId: string): Promise<ChatReplica | undefined> {
  const { api } = running;
  const isThere = (await api.get(`/v1/chats/${chatId}`)).status === 200;
  if (!isThere) return undefined;
  if (replica === undefined) return ChatReplica.load(api, chatId);
  const answer = await api.get<WireChanges>(`/v1/chats/${chatId}/changes?since=${replica.version}`);
  if (answer.status === 410) return ChatReplica.load(api, chatId);
  await replica.catchUp(api, chatId, 3);
  return replica;
}

async function expectUnread(chatIds: readonly string[]): Promise<void> {
  for (const userId of HISTORY_USERS) {
    const rows = await database.query<{ chat_id: string; unread: string }>(
      `SELECT u.* FROM (${COUNT_UNREAD.text}) u JOIN chat c ON c.id = u.chat_id AND c.deleted_at IS NULL`,
      [userId, chatIds],
    );
    const { items } = await running.api.inbox(userId, '?limit=200');
    const shown = items.filter(({ chat }) => chatIds.includes(chat.id)).map(({ chat, unread }) => [chat.id, unread]);
    expect(new Map(shown as [string, number][])).toEqual(new Map(rows.map((row) => [row.chat_id, Number(row.unread)])));
  }
}

describe('a random history of edits by hand and writes of the application', () => {
  it('leaves the tables sound, and is told by caches and changes as it is after one poll', async () => {
    const poller = running.instance.app.get(Poller);
    const participants = HISTORY_USERS.map((userId) => ({ userId }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ step, isSwapped: fc.boolean() }), { minLength: 5, maxLength: 25 }),
        async (steps) => {
          const chatIds = [
            await running.api.createChat({ participants }),
            await running.api.createChat({ participants }),
          ].map(({ id }) => id) as [string, string];
          const replicas = new Map<string, ChatReplica | undefined>();
          for (const chatId of chatIds) replicas.set(chatId, await follow(undefined, chatId));
          for (const userId of HISTORY_USERS) await running.api.inbox(userId);
          for (const { step: each, isSwapped } of steps) {
            await run(each, isSwapped ? [chatIds[1], chatIds[0]] : chatIds);
            await expectSound(database);
            await poller.pollOnce();
            for (const chatId of chatIds) {
              const replica = await follow(replicas.get(chatId), chatId);
              replicas.set(chatId, replica);
              const loaded = replica && (await ChatReplica.load(running.api, chatId));
              expect({ chatId, ...replica?.state }).toEqual({ chatId, ...loaded?.state });
            }
            await expectUnread(chatIds);
          }
          const told = await takeSnapshot(running, chatIds, HISTORY_USERS);
          const cold = await startTestInstance({ CACHE_TAIL_MESSAGES: '10' }, database);
          try {
            const expected = await takeSnapshot(cold, chatIds, HISTORY_USERS);
            expect([...told.keys()]).toEqual([...expected.keys()]);
            for (const [what, answer] of expected) expect(`${what}: ${told.get(what)}`).toBe(`${what}: ${answer}`);
          } finally {
            await cold.close();
          }
        },
      ),
      seededRuns('edits by hand in random histories', 15),
    );
  }, 240_000);
});
