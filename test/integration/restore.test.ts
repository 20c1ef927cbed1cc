import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { Poller } from '../../src/cache/coherence/poller.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { writtenColumns } from '../support/table-columns.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** In the order in which a restore fills them. */
const TABLES = ['chat', 'chat_head', 'message', 'participant', 'reaction'];

const ALL = TABLES.join(', ');

describe('a dump that is restored under a running instance', () => {
  let database: TestDatabase;
  let restorer: Client;
  let running: TestInstance;
  let chatId: string;

  beforeEach(async () => {
    database = await createTestDatabase();
    restorer = new Client({ connectionString: database.url });
    await restorer.connect();
    running = await startTestInstance(
      { COHERENCE_BUS: 'none', COHERENCE_POLL_MS: '60000', STALENESS_BOUND_MS: '600000' },
      database,
    );
    ({ id: chatId } = await running.api.createChat({
      title: 'dumped',
      participants: [{ userId: 'ann' }, { userId: 'bob' }],
    }));
    for (let n = 1; n <= 3; n++) await running.api.send(chatId, { senderId: 'ann', text: `dumped ${n}` });
    await restorer.query('CREATE SCHEMA dump');
    for (const table of TABLES) await restorer.query(`CREATE TABLE dump.${table} AS TABLE public.${table}`);
  });
  afterEach(async () => {
    await restorer?.end();
    await running?.close();
    await database?.drop();
  });

  const poll = (): Promise<void> => running.instance.app.get(Poller).pollOnce();
  const fill = async (table: string): Promise<void> => {
    const columns = await writtenColumns(
      async (sql, values) => (await restorer.query(sql, values)).rows,
      `public.${table}`,
    );
    await restorer.query(`INSERT INTO public.${table} (${columns}) SELECT ${columns} FROM dump.${table}`);
  };

  /** Everything that a reader is shown. */
  async function shown(): Promise<unknown> {
    const { api } = running;
    const [chat, page, participants, inbox] = [
      await api.get<object>(`/v1/chats/${chatId}`),
      await api.get<{ items?: unknown[] }>(`/v1/chats/${chatId}/messages`),
      await api.get<{ items?: unknown[] }>(`/v1/chats/${chatId}/participants`),
      await api.get<{ items: unknown[] }>('/v1/users/bob/chats'),
    ];
    return {
      status: chat.status,
      texts: page.body.items?.map((message) => (message as { text: string }).text),
      participants: participants.body.items?.length,
      inbox: inbox.body.items.length,
    };
  }

  const WHOLE = { status: 200, texts: ['dumped 1', 'dumped 2', 'dumped 3'], participants: 2, inbox: 1 };

  it('table by table, as pg_restore does, is shown whole when its triggers are there, whatever was read meanwhile', async () => {
    expect(await shown()).toEqual(WHOLE);
    for (const table of TABLES) await restorer.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    await restorer.query(`TRUNCATE ${ALL}`);
    await fill('chat');
    await fill('chat_head');
    await poll();
    expect(await shown()).toEqual({ status: 200, texts: [], participants: 0, inbox: 0 });
    for (const table of ['message', 'participant', 'reaction']) await fill(table);
    for (const table of TABLES) await restorer.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
    await poll();
    expect(await shown()).toEqual(WHOLE);
  });

  it('as data alone, in one transaction, is shown by the next poll also where chats were found absent', async () => {
    await restorer.query(`TRUNCATE ${ALL}`);
    await poll();
    expect(await shown()).toMatchObject({ status: 404, inbox: 0 });
    await restorer.query(`BEGIN; SET LOCAL scrollback.writer = 'application'`);
    for (const table of TABLES) await fill(table);
    await restorer.query('COMMIT');
    await poll();
    expect(await shown()).toEqual(WHOLE);
  });

  it('is announced by one call: who follows from before loads anew, and no version is given out twice', async () => {
    const before = (await running.api.get<{ version: number }>(`/v1/chats/${chatId}`)).body.version;
    await running.api.send(chatId, { senderId: 'ann', text: 'lost by the restore' });
    await running.api.get(`/v1/chats/${chatId}`);
    await restorer.query(`BEGIN; SET LOCAL scrollback.writer = 'application'; TRUNCATE ${ALL}`);
    for (const table of TABLES) await fill(table);
    expect((await restorer.query('SELECT scrollback_restored() AS chats')).rows).toEqual([{ chats: '1' }]);
    await restorer.query('COMMIT');
    await poll();
    expect(await shown()).toEqual(WHOLE);
    expect((await running.api.get(`/v1/chats/${chatId}/changes?since=${before + 1}`)).status).toBe(410);
    const sent = await running.api.send(chatId, { senderId: 'ann', text: 'goes on' });
    expect(sent.seq).toBe(4);
    const chat = (await running.api.get<{ version: number }>(`/v1/chats/${chatId}`)).body;
    expect(chat.version).toBeGreaterThan(1_000_000_000);
    const changes = await running.api.get<{ messages: unknown[] }>(
      `/v1/chats/${chatId}/changes?since=${chat.version - 1}`,
    );
    expect(changes.body.messages).toEqual([sent]);
  });
});
