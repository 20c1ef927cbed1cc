import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { CacheState } from '../../src/cache/cache-state.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { SharedChats } from '../../src/cache/shared/shared-chats.js';
import { RedisValues } from '../../src/redis/redis-values.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { DEADLINE_MS } from '../support/process.js';
import { waitForRedis } from '../support/patient-redis.js';
import { RedisServer } from '../support/redis-server.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

let redis: RedisServer;
let client: ReturnType<typeof createClient>;
let database: TestDatabase;
let one: TestInstance;
let other: TestInstance;
let chatId: string;

beforeAll(async () => {
  waitForRedis();
  redis = await RedisServer.start('');
  client = createClient({ url: redis.url });
  client.on('error', () => undefined);
  await client.connect();
  database = await createTestDatabase();
  const settings = { COHERENCE_POLL_MS: '60000', COHERENCE_BUS: 'none', REDIS_URL: redis.url, SHARED_CACHE: 'redis' };
  one = await startTestInstance(settings, database);
  other = await startTestInstance(settings, database);
  chatId = (await one.api.createChat({ title: 'shared', participants: [{ userId: 'ann' }, { userId: 'bob' }] })).id;
  for (let sent = 1; sent <= 5; sent++) await one.api.send(chatId, { senderId: 'ann', text: `text ${sent}` });
});
afterAll(async () => {
  await one.close();
  await other.close();
  await database.drop();
  client.destroy();
  await redis.stop();
});

function statsOf(instance: TestInstance): { hits: number; misses: number } {
  return { ...instance.instance.app.get(SharedChats).stats };
}

/** Takes the chat out of an instance's memory, as an eviction does. */
function forget({ instance }: TestInstance): void {
  const { store } = instance.app.get(CacheState);
  const entry = store.getChat(chatId);
  if (entry !== undefined) store.removeChat(entry, 'invalidated');
}

/** Makes an instance forget the chat, reads it, and tells where it was found. */
async function readAnew(instance: TestInstance): Promise<'shared' | 'database'> {
  forget(instance);
  const before = statsOf(instance);
  const page = await instance.api.page(chatId);
  const [row] = await database.query<{ version: string }>('SELECT version FROM chat_head WHERE chat_id = $1', [chatId]);
  const rows = await database.query<{ text: string }>('SELECT text FROM message WHERE chat_id = $1 ORDER BY seq', [
    chatId,
  ]);
  expect(page.version).toBe(Number(row!.version));
  expect(page.items.map((item) => ('text' in item ? item.text : undefined))).toEqual(rows.map(({ text }) => text));
  return statsOf(instance).hits > before.hits ? 'shared' : 'database';
}

/** Waits until a version is shared: that happens behind the reader's back. */
async function expectShared(version: number): Promise<void> {
  const isThere = async (): Promise<boolean> => (await client.hGet(key(), 'version')) === String(version);
  expect(await waitUntil(isThere, DEADLINE_MS)).toBe(true);
}

const key = (): string => `scrollback:{${chatId}}:chat`;

describe('what instances share in Redis', () => {
  it('is loaded by one of them, and by the others not again', async () => {
    expect(await readAnew(one)).toBe('database');
    await expectShared(6);
    expect(await readAnew(other)).toBe('shared');
    expect(await other.api.inbox('bob')).toEqual(await one.api.inbox('bob'));
  });

  it('is left aside when it is of an older version than the database has', async () => {
    await one.api.send(chatId, { senderId: 'ann', text: 'newer' });
    expect(await readAnew(other)).toBe('database');
    await expectShared(7);
    expect(await readAnew(one)).toBe('shared');
  });

  it('never goes back to an older version, and is of no use in another epoch', async () => {
    const held = await client.hGetAll(key());
    await one.api.send(chatId, { senderId: 'ann', text: 'newest' });
    expect(await readAnew(one)).toBe('database');
    await expectShared(8);
    await client.hSet(key(), { ...held, version: '8', epoch: 'another' });
    expect(await readAnew(other)).toBe('database');
    await expectShared(8);
  });

  it('is not believed when it is broken, or says of itself that it is of another version, and is replaced', async () => {
    const held = await client.hGetAll(key());
    await client.hSet(key(), { value: '{broken' });
    expect(await readAnew(other)).toBe('database');
    const isReplaced = async (): Promise<boolean> => (await client.hGet(key(), 'value')) !== '{broken';
    expect(await waitUntil(isReplaced, DEADLINE_MS)).toBe(true);
    expect(await readAnew(one)).toBe('shared');
    await client.hSet(key(), { value: held['value']!.replace('"version":8', '"version":7') });
    expect(await readAnew(other)).toBe('database');
  });

  it('is told of where it is explained', async () => {
    await client.del(key());
    expect(await readAnew(one)).toBe('database');
    await expectShared(8);
    expect(await readAnew(other)).toBe('shared');
    const explain = async ({ api }: TestInstance): Promise<unknown> =>
      (await api.get<{ source: string }>(`/v1/admin/cache/chats/${chatId}`)).body.source;
    expect([await explain(one), await explain(other)]).toEqual(['fill', 'shared']);
  });

  describe('that is wrong, because somebody changed rows without a version', () => {
    async function plant(title: string): Promise<void> {
      await database.query(`DO $$ BEGIN
        PERFORM set_config('scrollback.writer', 'application', true);
        UPDATE chat SET title = '${title}' WHERE id = '${chatId}';
      END $$`);
    }

    async function titleAt({ api }: TestInstance): Promise<string | null> {
      return (await api.get<{ title: string | null }>(`/v1/chats/${chatId}`)).body.title;
    }

    it('is replaced by a repair, here and for the others', async () => {
      await readAnew(one);
      await expectShared(8);
      await plant('planted');
      const { body } = await one.api.post<object>('/v1/admin/cache/verify', { repair: true });
      expect(body).toMatchObject({ divergent: [{ chatId, kind: 'chat' }], repaired: 1 });
      expect(await titleAt(one)).toBe('planted');
      await one.api.page(chatId);
      const isReplaced = async (): Promise<boolean> => (await client.hGet(key(), 'value'))!.includes('planted');
      expect(await waitUntil(isReplaced, DEADLINE_MS)).toBe(true);
      forget(other);
      expect(await titleAt(other)).toBe('planted');
      expect((await one.api.post<object>('/v1/admin/cache/verify', {})).body).toMatchObject({ divergent: [] });
    });

    it('is replaced by who reads next when the chat is dropped by hand', async () => {
      await plant('planted again');
      expect((await one.api.delete(`/v1/admin/cache/chats/${chatId}`)).status).toBe(204);
      expect(await titleAt(one)).toBe('planted again');
    });
  });

  describe('is not there any more once it was', () => {
    let secretId: string;
    let secretKey: string;

    beforeEach(async () => {
      secretId = (await one.api.createChat({ participants: [{ userId: 'ann' }] })).id;
      secretKey = `scrollback:{${secretId}}:chat`;
      await one.api.send(secretId, { senderId: 'ann', text: 'a secret' });
      const { store } = one.instance.app.get(CacheState);
      const entry = store.getChat(secretId);
      if (entry !== undefined) store.removeChat(entry, 'invalidated');
      await one.api.page(secretId);
      expect(await waitUntil(isShared, DEADLINE_MS)).toBe(true);
    });

    const isShared = async (): Promise<boolean> =>
      (await client.hGet(secretKey, 'value'))?.includes('a secret') === true;
    const isErased = async (): Promise<boolean> => !(await isShared());
    const message = (): string => `/v1/chats/${secretId}/messages/1`;

    it.each<[string, (api: TestInstance['api']) => Promise<unknown>]>([
      ['edited', (api) => api.patch(message(), { text: 'nothing' })],
      ['deleted', (api) => api.delete(message())],
      ['deleted with its chat', (api) => api.delete(`/v1/chats/${secretId}`)],
    ])('%s, without anybody reading the chat', async (_what, change) => {
      const values = new RedisValues([new URL(redis.url)]);
      const held = await client.hGetAll(secretKey);
      // By an instance that does not hold the chat, too.
      await change(other.api);
      expect(await waitUntil(isErased, DEADLINE_MS)).toBe(true);
      // Who has loaded it before and shares it only now comes too late.
      const late = { epoch: held['epoch']!, version: Number(held['version']), value: held['value']! };
      const tryLate = async (): Promise<boolean> => values.write(secretKey, late, { ttlMs: 60_000 });
      expect(await waitUntil(tryLate, DEADLINE_MS)).toBe(true);
      values.close();
      expect(await isErased()).toBe(true);
      // What follows is shared again.
      if ((await other.api.get(`/v1/chats/${secretId}`)).status === 404) return;
      const { version } = await other.api.page(secretId);
      const isSharedAgain = async (): Promise<boolean> => (await client.hGet(secretKey, 'version')) === String(version);
      expect(await waitUntil(isSharedAgain, DEADLINE_MS)).toBe(true);
    });

    it('purged, or deleted by SQL, when the poll of who holds the chat finds it', async () => {
      await database.query('DELETE FROM message WHERE chat_id = $1', [secretId]);
      await one.instance.app.get(Poller).pollAgain();
      expect(await waitUntil(isErased, DEADLINE_MS)).toBe(true);
    });
  });

  it('falls away without harm when Redis does', async () => {
    await redis.stop();
    for (let round = 0; round < 3; round++) expect(await readAnew(one)).toBe('database');
    expect((await one.api.send(chatId, { senderId: 'ann', text: 'without' })).seq).toBe(8);
    expect(await readAnew(other)).toBe('database');
  });
});
