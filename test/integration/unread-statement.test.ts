import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { WireInbox } from '../../src/cache/wire-types.js';
import { Database } from '../../src/storage/database.js';
import { Purger } from '../../src/transfer/purger.js';
import { seededRuns } from '../e2e/property.js';
import { HISTORY_USERS, historyStep, runStep } from '../e2e/random-history.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** The statement of the documentation, as it stands there. */
const STATEMENT = /^```sql\n(.*?)^```/ms.exec(readFileSync('docs/unread.md', 'utf8'))![1]!;

/** Markers anywhere in the line, also far behind its end. */
const farMarker = fc.record({
  type: fc.constant('mark' as const),
  user: fc.constantFrom(...HISTORY_USERS),
  seq: fc.integer({ min: 0, max: 60 }),
});
const steps = fc.array(fc.oneof({ weight: 8, arbitrary: historyStep }, { weight: 1, arbitrary: farMarker }), {
  minLength: 10,
  maxLength: 60,
});

describe('the statement that recomputes unread counts', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  /** Unread counts of a chat by user, as the statement has them. */
  const recompute = async (chatId: string): Promise<Record<string, number>> => {
    const rows = await running.database.query<{ chat_id: string; user_id: string; unread: string }>(STATEMENT);
    return Object.fromEntries(
      rows.filter((row) => row.chat_id === chatId).map((row) => [row.user_id, Number(row.unread)]),
    );
  };
  /** Unread counts of a chat by user, as inboxes show them. */
  const show = async (chatId: string, users: readonly string[] = HISTORY_USERS): Promise<Record<string, number>> => {
    const shown: Record<string, number> = {};
    for (const userId of users) {
      let cursor: string | null = null;
      do {
        const query: string = `?limit=200${cursor === null ? '' : `&cursor=${cursor}`}`;
        const inbox: WireInbox = await api.inbox(userId, query);
        for (const { chat, unread } of inbox.items) if (chat.id === chatId) shown[userId] = unread;
        cursor = inbox.nextCursor;
      } while (cursor !== null);
    }
    return shown;
  };
  const mark = async (chatId: string, userId: string, seq: number): Promise<unknown> => {
    const answer = await api.as(Buffer.from(userId).toString('latin1')).put(`/v1/chats/${chatId}/read`, { seq });
    expect([200, 404, 422]).toContain(answer.status);
    return answer.status === 200 ? answer.body : undefined;
  };

  it.each([1, 4])(
    'equals what inboxes and read markers say, after every step of %d writers at once',
    async (writers) => {
      await fc.assert(
        fc.asyncProperty(steps, async (history) => {
          const { id } = await api.as('ann').createChat({ participants: [{ userId: 'ben' }, { userId: 'cat' }] });
          for (let at = 0; at < history.length; at += writers) {
            await Promise.all(
              history.slice(at, at + writers).map(async (step) => {
                if (step.type !== 'mark') return runStep(api, id, step);
                const state = await mark(id, step.user, step.seq);
                // The count of its own version; that of the statement once nobody writes any more.
                if (writers === 1 && state !== undefined) {
                  expect(state).toMatchObject({ unread: (await recompute(id))[step.user] });
                }
              }),
            );
            expect(await show(id)).toEqual(await recompute(id));
          }
          // As an instance has them that has only just read the database.
          const cold = await startTestInstance({}, running.database);
          const warm = api;
          try {
            api = cold.api;
            expect(await show(id)).toEqual(await recompute(id));
          } finally {
            api = warm;
            await cold.close();
          }
        }),
        { ...seededRuns(`the unread statement by ${writers}`, 8), endOnFailure: true },
      );
    },
  );

  it('equals them for a chat of 30,000 messages, wherever the marker stands, without a limit', async () => {
    const { id } = await api.createChat({ participants: ['ann', 'ben', 'cat'].map((userId) => ({ userId })) });
    await running.database.query(
      `INSERT INTO message (chat_id, seq, version, sender_id, kind, text, deleted_at)
       SELECT $1, n, n + 1, CASE WHEN n % 3 = 0 THEN 'ann' ELSE 'dan' END, CASE WHEN n % 7 = 0 THEN 'system' ELSE 'user' END,
         CASE WHEN n % 11 > 0 THEN 'x' END, CASE WHEN n % 11 = 0 THEN now() END
       FROM generate_series(1, 30000) n`,
      [id],
    );
    await running.database.query(
      `UPDATE chat_head SET last_seq = 30000, version = 30001, changed_xid = pg_current_xact_id() WHERE chat_id = $1`,
      [id],
    );
    await running.instance.app.get(Poller).pollOnce();
    const users = ['ann', 'ben', 'cat'];
    expect((await recompute(id))['ben']).toBeGreaterThan(20_000);
    expect(await show(id, users)).toEqual(await recompute(id));
    for (const seq of [1, 4711, 15_000, 29_990, 30_000]) {
      for (const userId of ['ben', 'ann']) {
        const state = await mark(id, userId, seq);
        expect(state).toEqual({ lastReadSeq: seq, unread: (await recompute(id))[userId] });
      }
      await api.delete(`/v1/chats/${id}/messages/${29_998}`);
      await api.send(id, { senderId: 'cat', text: 'more' });
      expect(await show(id, users)).toEqual(await recompute(id));
    }
  });

  it('equals them when unread messages are purged', async () => {
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    for (const createdAt of ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z', new Date().toISOString()]) {
      await api.send(id, { senderId: 'ann', text: 'x', createdAt });
    }
    expect(await show(id)).toEqual({ ann: 0, ben: 3 });
    await new Purger(running.instance.app.get(Database)).run({ olderThanMs: 86_400_000, chatIds: [id] });
    await running.instance.app.get(Poller).pollOnce();
    expect(await recompute(id)).toEqual({ ann: 0, ben: 1 });
    expect(await show(id)).toEqual({ ann: 0, ben: 1 });
  });
});
