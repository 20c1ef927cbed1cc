import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

/** Runs `scrollback` as a user does. */
function scrollback(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, ['bin/scrollback.mjs', ...args], { env: { PATH, HOME, ...env } });
  const said = { out: '', error: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.error += chunk.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...said, code })));
}

describe('scrollback admin', () => {
  let running: TestInstance;
  let chatId: string;
  beforeAll(async () => {
    running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
    chatId = (await running.api.createChat({ title: 'seen', participants: [{ userId: 'ann' }] })).id;
    for (const text of ['one', 'two']) await running.api.send(chatId, { senderId: 'ann', text });
    await running.api.page(chatId);
    await running.api.page(chatId);
  });
  afterAll(() => running.close());

  const admin = (...args: string[]): Promise<Said> => scrollback(['admin', ...args, '--url', running.api.url]);

  it('stats tells what the cache holds, in words or as the instance says it', async () => {
    const { code, out } = await admin('stats');
    expect(code).toBe(0);
    expect(out).toMatch(/^mode {2,}on$/m);
    expect(out).toMatch(/^held {2,}1 chats, 1 blocks$/m);
    expect(out).toMatch(/^hit rate of messages {2,}[\d.]+ %$/m);
    expect(out).toMatch(/^divergence {2,}0$/m);
    const { body } = await running.api.get<object>('/v1/admin/cache');
    expect(Object.keys(JSON.parse((await admin('stats', '--json')).out) as object)).toEqual(Object.keys(body));
  });

  it('explain tells what is held of a chat, block by block and change by change', async () => {
    const { code, out } = await admin('explain', chatId);
    expect(code).toBe(0);
    expect(out).toMatch(/^cached version {2,}3$/m);
    expect(out).toMatch(/^database version {2,}3$/m);
    expect(out).toMatch(/^ +1 +2 +\d+$/m);
    expect(out).toMatch(/^ +3 +message sent +own +\d+$/m);
  });

  it('verify tells what differs, with exit code 1, and repairs it', async () => {
    expect(await admin('verify')).toMatchObject({ code: 0, out: expect.stringMatching(/^0 of 1 chats/) });
    await running.database.query(`DO $$ BEGIN
      PERFORM set_config('scrollback.writer', 'application', true);
      UPDATE chat SET title = 'planted' WHERE id = '${chatId}';
    END $$`);
    const found = await admin('verify', '--repair');
    expect(found.code).toBe(1);
    expect(found.out).toContain(`${chatId}  chat  cached 3  database 3`);
    expect(found.out).toContain('1 repaired');
    expect(await admin('verify')).toMatchObject({ code: 0 });
  });

  it('evict forgets a chat', async () => {
    await running.api.page(chatId);
    expect(await admin('evict', chatId)).toMatchObject({
      code: 0,
      out: 'The chat is not held any more; its next reader loads it.\n',
    });
    expect(await admin('explain', chatId)).toMatchObject({ code: 0, out: 'The chat is not held.\n' });
    await running.api.page(chatId);
    expect(await admin('evict', chatId, '--json')).toMatchObject({ code: 0, out: '{"evicted":true}\n' });
  });

  it('evict of a chat that is not held says so', async () => {
    const unknown = '00000000-0000-7000-8000-000000000000';
    expect(await admin('evict', unknown)).toMatchObject({
      code: 0,
      out: 'The chat was not held; its next reader loads it.\n',
    });
    expect(await admin('evict', unknown, '--json')).toMatchObject({ code: 0, out: '{"evicted":false}\n' });
  });

  it('mode tells the mode and changes it', async () => {
    expect((await admin('mode')).out).toBe('The cache is on.\n');
    expect((await admin('mode', 'shadow')).out).toBe('The cache is shadow.\n');
    expect((await admin('mode', 'on', '--json')).out).toBe('{"mode":"on"}\n');
    expect((await admin('mode', 'sometimes')).code).not.toBe(0);
  });

  it('says what to do when nobody answers, and when a key is missing', async () => {
    const nobody = await scrollback(['admin', 'stats', '--url', 'http://127.0.0.1:1']);
    expect(nobody).toMatchObject({
      code: 1,
      error: 'No instance answers at http://127.0.0.1:1. Name another with --url.\n',
    });
    const { out } = await scrollback(['key', 'create', 'sre']);
    const [key, entry] = [/sbk_\S+/.exec(out)![0], /sre:[0-9a-f]{64}/.exec(out)![0]];
    const guarded = await startTestInstance({ AUTH_MODE: 'key', AUTH_KEYS: entry }, running.database);
    try {
      const url = ['admin', 'stats', '--url', guarded.api.url];
      expect(await scrollback(url)).toMatchObject({ code: 1, error: expect.stringContaining('set SCROLLBACK_KEY') });
      expect(await scrollback(url, { SCROLLBACK_KEY: key })).toMatchObject({ code: 0 });
    } finally {
      await guarded.close();
    }
  });
});

describe('scrollback migrate --dry-run', () => {
  let migrated: TestDatabase;
  beforeAll(async () => {
    migrated = await createTestDatabase();
  });
  afterAll(() => migrated.drop());

  it('prints nothing to do for a database that is up to date', async () => {
    const said = await scrollback(['migrate', '--dry-run'], { DATABASE_URL: migrated.url });
    expect(said).toMatchObject({ code: 0, out: '-- The schema is up to date.\n' });
  });

  it('prints SQL that makes the schema, and runs none of it', async () => {
    const name = 'empty_for_dry_run';
    await migrated.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    const url = new URL(migrated.url);
    url.pathname = `/${name}`;
    const client = new Client({ connectionString: url.href });
    await client.connect();
    try {
      const columns = `SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'schema_migration' ORDER BY 1, 2`;
      const triggers = 'SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1';
      const { code, out } = await scrollback(['migrate', '--dry-run'], { DATABASE_URL: url.href });
      expect(code).toBe(0);
      expect((await client.query(columns)).rows).toEqual([]);
      await client.query(out);
      for (const sql of [columns, triggers]) {
        const expected = await migrated.query(sql);
        expect(expected.length).toBeGreaterThan(5);
        expect((await client.query(sql)).rows).toEqual(expected);
      }
    } finally {
      await client.end();
      await migrated.query(`DROP DATABASE ${name}`);
    }
  });
});
