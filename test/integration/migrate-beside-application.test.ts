import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Client, type Pool, type PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { Poller } from '../../src/cache/coherence/poller.js';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { migrate } from '../../src/storage/migrate.js';
import { migrations } from '../../src/storage/migrations/migrations.js';
import { DEADLINE_MS } from '../support/process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectSound } from './hand-edit-checks.js';

const NAMES = migrations.map((migration) => new migration().name);
/** Those that are done beside an application of the version before them. */
const LATER = NAMES.slice(1);

let database: TestDatabase;
let dataSource: DataSource;
const open: { end(): Promise<void> }[] = [];

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createTestDatabase();
  dataSource = await new DataSource(storageOptions({ url: database.url })).initialize();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.end()));
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

async function undoLater(): Promise<void> {
  for (let left = LATER.length; left > 0; left--) await dataSource.undoLastMigration();
}

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: database.url });
  open.push(client);
  await client.connect();
  return client;
}

const migrated = async (): Promise<string[]> =>
  (await database.query<{ name: string }>('SELECT name FROM schema_migration ORDER BY id')).map(({ name }) => name);

/** Waits until the migration's session waits for a table. */
const untilBlocked = (): Promise<boolean> =>
  waitUntil(async () => {
    const rows = await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
       AND application_name = 'scrollback migration'`,
    );
    return rows.length === 1;
  }, DEADLINE_MS);

/** A session in the middle of a transaction that has read a table: an export, a dump, somebody's forgotten psql. */
async function holdTable(table: string): Promise<Client> {
  const holder = await connect();
  await holder.query(`SET application_name = 'report'`);
  await holder.query('BEGIN');
  await holder.query(`SELECT count(*) FROM ${table}`);
  return holder;
}

describe('a migration whose table somebody holds', () => {
  it('lets those who came after it go on, and is done when the holder is', async () => {
    await undoLater();
    const holder = await holdTable('message');
    let isDone = false;
    const migrating = migrate(dataSource, { lockTimeoutMs: 200, pauseMs: 200 }).finally(() => (isDone = true));
    expect(await untilBlocked()).toBe(true);
    // Came later: each of these would wait for as long as the holder does, were the migration to stand its place in the queue.
    const writer = await connect();
    for (let round = 0; round < 20; round++) {
      await writer.query(`INSERT INTO message (chat_id, seq, version, sender_id, text)
        VALUES ('01980000-0000-7000-8000-0000000000c1', ${round + 1}, ${round + 2}, 'ann', 'while it waits')`);
    }
    expect(isDone).toBe(false);
    await holder.query('COMMIT');
    expect(await migrating).toEqual(LATER);
    expect(await migrated()).toEqual(NAMES);
    await database.query('DELETE FROM message');
  });

  it('gives up when it takes too long, names who is in the way, and has changed nothing', async () => {
    await undoLater();
    const holder = await holdTable('reaction');
    await expect(migrate(dataSource, { lockTimeoutMs: 50, pauseMs: 10, patienceMs: 300 })).rejects.toMatchObject({
      name: 'MigrationBlockedError',
      message: expect.stringMatching(/Session \d+ \(report, idle in transaction\) has held locks for \d+ s/),
    });
    expect(await migrated()).toEqual(NAMES.slice(0, 1));
    await holder.query('COMMIT');
    expect(await migrate(dataSource)).toEqual(LATER);
  });

  it('does not make up how long somebody has held it whose session its role is not shown', async () => {
    await undoLater();
    const [plain, other] = ['scrollback_test_plain', 'scrollback_test_other'];
    // Owns the tables by the right of the owner, and sees no session of others.
    const [owner] = await database.query<{ name: string }>('SELECT quote_ident(current_user) AS name');
    await database.query(`CREATE ROLE ${plain} LOGIN PASSWORD 'plain'; GRANT ${owner!.name} TO ${plain};
      CREATE ROLE ${other} SUPERUSER LOGIN PASSWORD 'other'`);
    const urlOf = (role: string): string =>
      database.url.replace(/\/\/[^@]*@/, `//${role}:${role === plain ? 'plain' : 'other'}@`);
    const ordinary = await new DataSource(storageOptions({ url: urlOf(plain) })).initialize();
    const holder = new Client({ connectionString: urlOf(other) });
    try {
      await holder.connect();
      await holder.query('BEGIN');
      await holder.query('SELECT count(*) FROM reaction');
      const error = await migrate(ordinary, { lockTimeoutMs: 50, pauseMs: 10, patienceMs: 300 }).catch((each) => each);
      expect(String(error)).toMatch(
        /^MigrationBlockedError: .*Session \d+ \(.+\) has held locks for a time that this role is not shown\./,
      );
    } finally {
      await holder.end();
      await ordinary.destroy();
      await database.query(`DROP ROLE ${plain}; DROP ROLE ${other}`);
    }
    expect(await migrate(dataSource)).toEqual(LATER);
  });

  it('waits for the migration of another instance for as long as that takes, and holds no snapshot meanwhile', async () => {
    await undoLater();
    const holder = await holdTable('message');
    const quick = { lockTimeoutMs: 100, pauseMs: 100 };
    const both = Promise.all([migrate(dataSource, quick), migrate(dataSource, quick)]);
    expect(await untilBlocked()).toBe(true);
    const waiting = `SELECT backend_xmin FROM pg_stat_activity WHERE datname = current_database()
      AND application_name = 'scrollback migration' AND state = 'idle' AND query LIKE '%pg_try_advisory_lock%'`;
    let found: unknown[] = [];
    expect(await waitUntil(async () => (found = await database.query(waiting)).length === 1, DEADLINE_MS)).toBe(true);
    expect(found).toEqual([{ backend_xmin: null }]);
    await holder.query('COMMIT');
    expect((await both).toSorted((a, b) => a.length - b.length)).toEqual([[], LATER]);
  });
});

describe('instances of the version before', () => {
  let running: TestInstance | undefined;
  afterAll(() => running?.close());

  /** Has the instance write as the version before the triggers did: without a word on who it is. */
  function sayNothing(instance: TestInstance): { readonly count: number } {
    const said = { count: 0 };
    const { master } = instance.instance.app.get(DataSource).driver as unknown as { master: Pool };
    const silenced = new WeakSet<PoolClient>();
    master.on('acquire', (client) => {
      if (silenced.has(client)) return;
      silenced.add(client);
      const query = client.query.bind(client) as (config: unknown, ...more: unknown[]) => unknown;
      const silent = (config: unknown, ...more: unknown[]): unknown => {
        if (typeof config !== 'string' || !config.includes('SET LOCAL scrollback.writer'))
          return query(config, ...more);
        said.count++;
        return query(config.replace(/; SET LOCAL scrollback\.writer = 'application'/, ''), ...more);
      };
      (client as { query: unknown }).query = silent;
    });
    return said;
  }

  it('go on writing while the later migrations are done, and lose, double and misplace nothing', async () => {
    running = await startTestInstance({ COHERENCE_POLL_MS: '100' }, database);
    const { api } = running;
    await undoLater();
    const silenced = sayNothing(running);
    const chatIds: string[] = [];
    for (let at = 0; at < 4; at++) {
      const participants = [{ userId: 'ann', role: 'owner' }, { userId: 'ben' }];
      chatIds.push((await api.createChat({ participants })).id);
    }
    let isDone = false;
    const sent = new Map(chatIds.map((id) => [id, [] as { seq: number; text: string }[]]));
    const write = async (chatId: string): Promise<void> => {
      const own = sent.get(chatId)!;
      // Some before, all during, some after.
      for (let round = 0, after = 0; after < 10; round++, after += isDone ? 1 : 0) {
        const text = `${round}`;
        const { seq } = await api.send(chatId, { senderId: 'ann', text, clientId: text });
        own.push({ seq, text });
        if (round % 3 === 0) {
          const edited = await api.patch(`/v1/chats/${chatId}/messages/${seq}`, { text: `${text}!` });
          expect(edited.status).toBe(200);
          own.at(-1)!.text = `${text}!`;
        }
        if (round % 5 === 0) {
          const userId = `guest-${round}`;
          const added = await api.put(`/v1/chats/${chatId}/participants/${userId}`, { role: 'member' });
          expect(added.status).toBe(201);
        }
      }
    };
    const writing = Promise.all(chatIds.map(write));
    expect(await waitUntil(async () => chatIds.every((id) => sent.get(id)!.length >= 5), DEADLINE_MS)).toBe(true);
    expect(await migrate(dataSource)).toEqual(LATER);
    isDone = true;
    await writing;
    expect(silenced.count).toBeGreaterThan(40);
    await expectSound(database);
    await running.instance.app.get(Poller).pollOnce();
    for (const [chatId, own] of sent) {
      expect(own.map(({ seq }) => seq)).toEqual(own.map((_message, at) => at + 1));
      const { items } = await api.page(chatId, '?limit=200');
      expect(items.map(({ seq, text }) => ({ seq, text }))).toEqual(own.slice(-200));
      const rows = await database.query('SELECT seq::int, text FROM message WHERE chat_id = $1 ORDER BY seq', [chatId]);
      expect(rows).toEqual(own);
    }
  });
});
