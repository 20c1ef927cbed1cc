import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HeadRepository, type HeadPoll } from '../../src/storage/head-repository.js';
import { POLL_HEADS } from '../../src/storage/statements/poll-heads.js';
import { until } from '../support/bus-ear.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** More than two pages of a look. */
const HEADS = 12_000;

describe('heads', () => {
  let database: TestDatabase;
  let instance: TestInstance;
  let heads: HeadRepository;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await startTestInstance({ COHERENCE_POLL_MS: '60000', COHERENCE_BUS: 'none' }, database);
    heads = instance.instance.app.get(HeadRepository);
  });
  afterAll(async () => {
    await instance.close();
    await database.drop();
  });

  async function look(horizon: string): Promise<{ parts: number; chatIds: string[] }> {
    const chatIds: string[] = [];
    let parts = 0;
    for (let part: HeadPoll = await heads.poll(horizon); ; part = await heads.poll(undefined, part.next)) {
      parts++;
      chatIds.push(...part.changed.map(({ chatId }) => chatId));
      if (part.next === undefined) return { parts, chatIds };
    }
  }

  it('that have changed since a look are told by the next one, all of them and each once, in as many parts as it takes', async () => {
    const { horizon } = await heads.poll(undefined);
    // In transactions of different spans, and many of one.
    for (const rows of [1, 5000, HEADS - 5001]) {
      await database.query(
        `INSERT INTO chat_head (chat_id) SELECT gen_random_uuid() FROM generate_series(1, $1::int)`,
        [rows],
      );
      for (let spent = 0; spent < 300; spent++) await database.query('SELECT pg_current_xact_id()');
    }
    const { parts, chatIds } = await look(horizon);
    expect(chatIds).toHaveLength(HEADS);
    expect(new Set(chatIds).size).toBe(HEADS);
    expect(parts).toBe(3);
  });

  it('that have not changed since a look are not told, though they are found by the same span of transactions', async () => {
    const chat = await instance.api.createChat({});
    const { horizon } = await heads.poll(undefined);
    const place = async (xid: bigint): Promise<void> => {
      await database.query(`UPDATE chat_head SET changed_xid = $2::text::xid8 WHERE chat_id = $1`, [chat.id, xid]);
    };
    await place(BigInt(horizon) - 1n);
    expect((await look(horizon)).chatIds).not.toContain(chat.id);
    await place(BigInt(horizon));
    expect((await look(horizon)).chatIds).toContain(chat.id);
  });

  it('are not looked into while no transaction has begun since the last look', async () => {
    const { horizon } = await heads.poll(undefined);
    const plan = async (from: bigint): Promise<string> => {
      const text = POLL_HEADS.text.replaceAll('$1', `'${from}'`).replaceAll('$2', '5000');
      const rows = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, TIMING off) ${text}`);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    const future = 1_000_000_000n;
    expect(await plan(BigInt(horizon) + future)).toMatch(/on chat_head .*never executed/);
    expect(await plan(BigInt(horizon) - 1n)).not.toMatch(/on chat_head .*never executed/);
  });

  it('are moved without touching an index, but where a chat comes into another span', async () => {
    const chat = await instance.api.createChat({ participants: [{ userId: 'ann' }] });
    const counts = async (): Promise<{ moved: number; inPlace: number }> => {
      const [row] = await database.query<{ moved: string; in_place: string }>(
        `SELECT n_tup_upd AS moved, n_tup_hot_upd AS in_place FROM pg_stat_user_tables WHERE relname = 'chat_head'`,
      );
      return { moved: Number(row!.moved), inPlace: Number(row!.in_place) };
    };
    const sends = 100;
    for (let sent = 0; sent < sends; sent++) await instance.api.send(chat.id, { senderId: 'ann', text: String(sent) });
    // A connection tells what it has done when it has been idle for a while.
    await until('the updates are counted', async () => (await counts()).moved >= sends);
    const { moved, inPlace } = await counts();
    expect(inPlace).toBeGreaterThanOrEqual(0.9 * moved);
  });
});
