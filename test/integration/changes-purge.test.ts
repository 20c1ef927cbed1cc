import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { WireChanges } from '../../src/cache/wire-types.js';
import { Database } from '../../src/storage/database.js';
import { Purger } from '../../src/transfer/purger.js';
import { ChatReplica } from '../e2e/chat-replica.js';
import { expectProblem } from '../e2e/expect-answer.js';
import { seededRuns } from '../e2e/property.js';
import { historyStep, runStep } from '../e2e/random-history.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const OLD = '2020-01-01T00:00:00Z';

/** Things that people do, and now and then a purge of what has become old. */
const history = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: historyStep },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('purge' as const),
        aged: fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 8 }),
      }),
    },
  ),
  { minLength: 10, maxLength: 45, size: 'max' },
);
const limits = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 });

/** What the database has of a chat: its versions, and the version of each row that is there. */
interface Rows {
  readonly version: number;
  readonly resetVersion: number;
  readonly messages: readonly { readonly seq: number; readonly version: number }[];
  readonly participants: readonly { readonly userId: string; readonly version: number; readonly hasLeft: boolean }[];
}

describe('changes of chats that are purged now and then', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
    ({ api } = running);
  });
  afterAll(() => running.close());

  const purge = async (chatId: string, aged: readonly number[]): Promise<void> => {
    const sql = 'UPDATE message SET created_at = $3 WHERE chat_id = $1 AND seq = ANY ($2::bigint[])';
    await running.database.query(sql, [chatId, aged, OLD]);
    const purger = new Purger(running.instance.app.get(Database), {}, { batchMessages: 3 });
    await purger.run({ olderThanMs: 86_400_000, chatIds: [chatId] });
    await running.instance.app.get(Poller).pollOnce();
  };
  const readRows = async (chatId: string): Promise<Rows> => {
    const [head] = await running.database.query<{ version: string; reset_version: string }>(
      'SELECT version, reset_version FROM chat_head WHERE chat_id = $1',
      [chatId],
    );
    const messages = await running.database.query<{ seq: string; version: string }>(
      'SELECT seq, version FROM message WHERE chat_id = $1 ORDER BY seq',
      [chatId],
    );
    const participants = await running.database.query<{ user_id: string; version: string; has_left: boolean }>(
      'SELECT user_id, version, left_at IS NOT NULL AS has_left FROM participant WHERE chat_id = $1 ORDER BY user_id',
      [chatId],
    );
    return {
      version: Number(head!.version),
      resetVersion: Number(head!.reset_version),
      messages: messages.map(({ seq, version }) => ({ seq: Number(seq), version: Number(version) })),
      participants: participants.map((row) => ({
        userId: row.user_id,
        version: Number(row.version),
        hasLeft: row.has_left,
      })),
    };
  };
  const ask = (chatId: string, since: number, limit: number): ReturnType<typeof api.get<WireChanges>> =>
    api.get<WireChanges>(`/v1/chats/${chatId}/changes?since=${since}&limit=${limit}`);

  /** Brings a client forward as a client does: by changes, or where those are gone by loading the chat. */
  const follow = async (
    chatId: string,
    replica: ChatReplica,
    limit: number,
    resetVersion: number,
  ): Promise<ChatReplica> => {
    if (replica.version < resetVersion) {
      expectProblem(await ask(chatId, replica.version, limit), 410, 'changes_gone');
      return ChatReplica.load(api, chatId);
    }
    await replica.catchUp(api, chatId, limit);
    return replica;
  };

  /** Compares what is told since every version there is, and beyond, with the rows. */
  const checkEverySince = async (chatId: string, rows: Rows): Promise<void> => {
    const { version, resetVersion } = rows;
    for (let since = 0; since <= version + 2; since++) {
      const answer = await ask(chatId, since, 200);
      if (since < resetVersion || since > version) {
        expectProblem(answer, 410, 'changes_gone');
        continue;
      }
      const isNew = (row: { readonly version: number }): boolean => row.version > since;
      const { messages, participants, left, more, version: through } = answer.body;
      expect({ since, status: answer.status, more, through }).toEqual({
        since,
        status: 200,
        more: false,
        through: version,
      });
      expect({ since, seqs: messages.map(({ seq }) => seq) }).toEqual({
        since,
        seqs: rows.messages.filter(isNew).map(({ seq }) => seq),
      });
      const people = rows.participants.filter(isNew);
      const ids = (hasLeft: boolean): string[] =>
        people.filter((each) => each.hasLeft === hasLeft).map(({ userId }) => userId);
      expect({ since, present: participants.map(({ userId }) => userId), left }).toEqual({
        since,
        present: ids(false),
        left: ids(true),
      });
    }
  };

  it('bring clients of every version to the present, by small pages or by loading anew, and tell nothing else', async () => {
    let reloads = 0;
    await fc.assert(
      fc.asyncProperty(history, limits, async (steps, pages) => {
        const { id } = await api.as('ann').createChat({ participants: ['ben', 'cat'].map((userId) => ({ userId })) });
        const replicas = [new ChatReplica(), await ChatReplica.load(api, id)];
        for (const step of steps) {
          if (step.type === 'purge') await purge(id, step.aged);
          else await runStep(api, id, step);
          const replica = await ChatReplica.load(api, id);
          if (replica.version > replicas.at(-1)!.version) replicas.push(replica);
        }
        const rows = await readRows(id);
        await checkEverySince(id, rows);
        const { state, version } = await ChatReplica.load(api, id);
        expect(version).toBe(rows.version);
        for (const [at, replica] of replicas.entries()) {
          const after = await follow(id, replica, pages[at % pages.length]!, rows.resetVersion);
          if (after !== replica) reloads++;
          expect(after.state).toEqual(state);
        }
      }),
      seededRuns('changes with purges', 12),
    );
    // Random as they are, some of the histories have a purge behind clients.
    expect(reloads).toBeGreaterThan(0);
  });

  it('bring clients who follow while others write and purge to the present', async () => {
    const { id } = await api.as('ann').createChat({ participants: ['ben', 'cat'].map((userId) => ({ userId })) });
    const steps = fc.sample(historyStep, seededRuns('changes while purging', 120));
    let isWriting = true;
    const tell = async (limit: number): Promise<ChatReplica> => {
      let replica = new ChatReplica();
      for (let isLast = false; ; isLast = !isWriting) {
        const answer = await ask(id, replica.version, limit);
        // A chat that is loaded while it changes is put together of several versions: it is loaded once nobody writes.
        if (answer.status === 410) {
          if (isWriting) replica = new ChatReplica();
          else replica = await ChatReplica.load(api, id);
        } else if (answer.status === 200) {
          replica.apply(answer.body);
        }
        expect([200, 410]).toContain(answer.status);
        if (isLast && !isWriting && answer.status === 200 && !answer.body.more) return replica;
      }
    };
    const followers = [1, 2, 50].map(tell);
    const lanes = [0, 1, 2].map(async (lane) => {
      for (const step of steps.filter((_step, at) => at % 3 === lane)) await runStep(api, id, step);
    });
    const purges = async (): Promise<void> => {
      for (let round = 1; round <= 6; round++) await purge(id, [round, round * 3]);
    };
    await Promise.all([...lanes, purges()]).finally(() => (isWriting = false));
    const { state } = await ChatReplica.load(api, id);
    for (const follower of followers) expect((await follower).state).toEqual(state);
  });
});
