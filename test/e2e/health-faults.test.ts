import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { InstanceProcess } from '../support/instance-process.js';
import { RedisServer } from '../support/redis-server.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startTestInstance } from '../support/test-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const WAIT_MS = 30_000;
const DRAIN_MS = 500;
const LIMIT_MS = 6000;

interface Health {
  readonly status: string;
  readonly details: Readonly<Record<string, { readonly status: string; readonly state?: string }>>;
}

describe('an instance whose database and Redis hang', () => {
  let database: TestDatabase;
  let redis: RedisServer;
  let toDatabase: TcpProxy;
  let toRedis: TcpProxy;
  let instance: InstanceProcess;
  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await RedisServer.start();
    const way = await startDatabaseProxy(database);
    toDatabase = way.proxy;
    toRedis = await TcpProxy.start(Number(new URL(redis.url).port));
    instance = await InstanceProcess.start({
      DATABASE_URL: way.url,
      REDIS_URL: `redis://127.0.0.1:${toRedis.port}`,
      PORT: '0',
      CACHE_MAX_BYTES: '16MiB',
      SHUTDOWN_DRAIN_MS: String(DRAIN_MS),
      SHUTDOWN_TIMEOUT_MS: String(LIMIT_MS),
    });
  });
  afterAll(async () => {
    toDatabase.thaw();
    toRedis.thaw();
    await instance.kill();
    await toDatabase.stop();
    await toRedis.stop();
    await redis.stop();
    await database.drop();
  });
  const ask = async (probe: string): Promise<{ readonly status: number; readonly body: Health }> => {
    const answer = await fetch(`${instance.url}/health/${probe}`);
    return { status: answer.status, body: (await answer.json()) as Health };
  };

  it('names Redis among its parts, and is ready without it', async () => {
    expect(
      await waitUntil(async () => (await ask('ready')).body.details['redis']?.state === 'connected', WAIT_MS),
    ).toBe(true);
    toRedis.freeze();
    expect(await waitUntil(async () => (await ask('ready')).body.details['redis']?.state === 'away', WAIT_MS)).toBe(
      true,
    );
    expect((await ask('ready')).status).toBe(200);
    toRedis.thaw();
    expect(
      await waitUntil(async () => (await ask('ready')).body.details['redis']?.state === 'connected', WAIT_MS),
    ).toBe(true);
  });

  it('answers every probe, names the database, and is ready again by itself', async () => {
    const probes = (): Promise<{ state: string; count: string }[]> =>
      database.query(
        `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scrollback probe' AND datname = current_database()`,
      );
    toDatabase.freeze();
    expect(await waitUntil(async () => (await ask('ready')).status === 503, WAIT_MS)).toBe(true);
    // Many who ask at once do not ask the database many times.
    const many = await Promise.all(Array.from({ length: 200 }, () => ask('ready')));
    expect(new Set(many.map(({ status, body }) => `${status} ${body.details['database']!.status}`))).toEqual(
      new Set(['503 down']),
    );
    expect((await ask('live')).status).toBe(200);
    expect((await ask('startup')).status).toBe(200);
    toDatabase.thaw();
    expect(await waitUntil(async () => (await ask('ready')).status === 200, WAIT_MS)).toBe(true);
    // The server takes a moment to notice those that were cut.
    expect(await waitUntil(async () => Number((await probes())[0]!.count) <= 1, WAIT_MS)).toBe(true);
  });

  it('ends within its limit by SIGTERM while both hang and writes wait, and acknowledges none of them', async () => {
    const { id } = await instance.api.createChat();
    toDatabase.freeze();
    toRedis.freeze();
    const writes = Array.from({ length: 20 }, (_value, at) =>
      instance.api.post(`/v1/chats/${id}/messages`, { senderId: 'ann', text: `text ${at}`, clientId: `c-${at}` }).then(
        ({ status }) => status,
        () => 'no answer' as const,
      ),
    );
    // They are in the queue before the signal comes.
    const queued = async (): Promise<boolean> =>
      /scrollback_write_queue_length 20\n/.test((await instance.api.get<string>('/metrics')).body);
    expect(await waitUntil(queued, WAIT_MS)).toBe(true);
    await instance.stop();
    expect([0, 1]).toContain(instance.ended);
    for (const outcome of await Promise.all(writes)) expect([503, 'no answer']).toContain(outcome);
  });
});

describe('an instance that shares chats in Redis and hears of changes by PostgreSQL', () => {
  it('names Redis among its parts', async () => {
    const redis = await RedisServer.start();
    const running = await startTestInstance({
      REDIS_URL: redis.url,
      COHERENCE_BUS: 'postgres',
      SHARED_CACHE: 'redis',
    });
    const redisState = async (): Promise<string | undefined> =>
      (await running.api.get<Health>('/health/ready')).body.details['redis']?.state;
    try {
      expect(await waitUntil(async () => (await redisState()) === 'connected', WAIT_MS)).toBe(true);
      await redis.stop();
      expect(await waitUntil(async () => (await redisState()) === 'away', WAIT_MS)).toBe(true);
      expect((await running.api.get('/health/ready')).status).toBe(200);
    } finally {
      await running.close();
      await redis.stop();
    }
  });
});
