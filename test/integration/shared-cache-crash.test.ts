import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { createClient } from 'redis';
import { CacheState } from '../../src/cache/cache-state.js';
import { SharedChats } from '../../src/cache/shared/shared-chats.js';
import { RedisValues } from '../../src/redis/redis-values.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { DurableDatabase } from '../faults/durable-database.js';
import { DEADLINE_MS, makeTestFolder } from '../support/process.js';
import { RedisServer } from '../support/redis-server.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const keyOf = (chatId: string): string => `scrollback:{${chatId}}:chat`;

/** Redis knows nothing of the server's crash: it goes on holding what was lost, under a version that is given out again. */
describe('what instances share in Redis and PostgreSQL loses in a crash', () => {
  let folder: Awaited<ReturnType<typeof makeTestFolder>>;
  let server: DurableDatabase;
  let redis: RedisServer;
  let client: ReturnType<typeof createClient>;
  let values: RedisValues;
  let instances: TestInstance[];

  beforeEach(async () => {
    instances = [];
    folder = await makeTestFolder();
    redis = await RedisServer.start('');
    client = createClient({ url: redis.url });
    client.on('error', () => undefined);
    await client.connect();
    values = new RedisValues([new URL(redis.url)]);
    server = await DurableDatabase.start(join(folder.path, 'data'));
  });
  afterEach(async () => {
    for (const instance of instances) await instance.close();
    values.close();
    client.destroy();
    await redis.stop();
    await server?.stop();
    await folder.remove();
  });

  async function start(): Promise<TestInstance> {
    const settings = {
      DATABASE_URL: server.url,
      REDIS_URL: redis.url,
      SHARED_CACHE: 'redis',
      // Nobody hears of anything, nor looks by themselves.
      COHERENCE_BUS: 'none',
      COHERENCE_POLL_MS: '60000',
      STALENESS_BOUND_MS: '600000',
    };
    const instance = await startTestInstance(settings, {
      url: server.url,
      query: (sql, parameters) => server.query(sql, parameters),
      drop: async () => undefined,
    });
    instances.push(instance);
    return instance;
  }

  async function versionOf(chatId: string): Promise<number> {
    const [row] = await server.query<{ version: string }>('SELECT version FROM chat_head WHERE chat_id = $1', [chatId]);
    return Number(row!.version);
  }

  /** Reads a title that an instance does not hold, as after an eviction. A connection that the crash has cut may fail first. */
  async function readAnew({ instance, api }: TestInstance, chatId: string): Promise<string> {
    const { store } = instance.app.get(CacheState);
    let title = '';
    const isRead = async (): Promise<boolean> => {
      const entry = store.getChat(chatId);
      if (entry !== undefined) store.removeChat(entry, 'invalidated');
      const { status, body } = await api.get<{ title: string }>(`/v1/chats/${chatId}`);
      title = body.title;
      return status === 200;
    };
    expect(await waitUntil(isRead, DEADLINE_MS)).toBe(true);
    return title;
  }

  const isShared = async (chatId: string, title: string): Promise<boolean> =>
    (await client.hGet(keyOf(chatId), 'value'))?.includes(`"title":"${title}"`) === true;

  /** Has an instance share a title: that happens behind the reader's back, and not before Redis is connected. */
  async function share(instance: TestInstance, chatId: string, title: string): Promise<void> {
    const isDone = async (): Promise<boolean> => {
      expect(await readAnew(instance, chatId)).toBe(title);
      return isShared(chatId, title);
    };
    expect(await waitUntil(isDone, DEADLINE_MS)).toBe(true);
  }

  it.each<[string, () => Promise<void>]>([
    ['of the whole server', () => server.stopImmediately(0)],
    ['of one of its processes, after which it is not started anew,', () => server.killBackend()],
  ])('%s is taken by nobody, though its version is given out again', async (_how, crash) => {
    const before = await start();
    // What is not waited for gets to the disk late, in ten seconds from now: the crash is sooner.
    await server.configure({ wal_writer_delay: '10s', checkpoint_timeout: '1h', autovacuum: 'off' });
    const { id } = await before.api.createChat({ title: 'kept' });
    await server.query(`SET synchronous_commit = off; UPDATE chat SET title = 'lost' WHERE id = '${id}'`);
    await share(before, id, 'lost');
    const { epoch, version, value } = await client.hGetAll(keyOf(id));

    await crash();
    expect(await versionOf(id)).toBe(Number(version) - 1);
    await server.query(`UPDATE chat SET title = 'new' WHERE id = $1`, [id]);
    expect(await versionOf(id)).toBe(Number(version));

    // It has not noticed the crash.
    await share(before, id, 'new');
    // Somebody had read what is lost, and has been slow to share it.
    const late = { epoch: epoch!, version: Number(version), value: value! };
    const isLate = (): Promise<boolean> => values.write(keyOf(id), late, { ttlMs: 60_000 });
    expect(await waitUntil(isLate, DEADLINE_MS)).toBe(true);
    expect(await isShared(id, 'lost')).toBe(true);
    const after = await start();
    await share(after, id, 'new');

    // What is shared from then on is taken as before.
    const shared = before.instance.app.get(SharedChats);
    const { hits } = shared.stats;
    // Where Redis is slow to answer, a read goes on without it.
    const isTaken = async (): Promise<boolean> => {
      expect(await readAnew(before, id)).toBe('new');
      return shared.stats.hits > hits;
    };
    expect(await waitUntil(isTaken, DEADLINE_MS)).toBe(true);
  });
});
