import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CacheState } from '../../src/cache/cache-state.js';
import { SharedChats } from '../../src/cache/shared/shared-chats.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { DEADLINE_MS } from '../support/process.js';
import { waitForRedis } from '../support/patient-redis.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** So many that each of three nodes has some. */
const CHATS = 60;

let cluster: RedisCluster;
let database: TestDatabase;
let one: TestInstance;
let other: TestInstance;
const chatIds: string[] = [];

let patience: { mockRestore(): void };
beforeAll(async () => {
  patience = waitForRedis();
  cluster = await RedisCluster.start();
  database = await createTestDatabase();
  one = await startTestInstance(settings(), database);
  other = await startTestInstance(settings(), database);
  for (let at = 0; at < CHATS; at++) {
    const { id } = await one.api.createChat({ title: `${at}`, participants: [{ userId: 'ann' }] });
    await one.api.send(id, { senderId: 'ann', text: `text ${at}` });
    chatIds.push(id);
  }
});
afterAll(async () => {
  await one.close();
  await other.close();
  await database.drop();
  await cluster.stop();
});

const settings = (): Record<string, string> => ({
  COHERENCE_POLL_MS: '200',
  COHERENCE_BUS: 'none',
  REDIS_URL: cluster.url,
  SHARED_CACHE: 'redis',
});

/** Makes an instance forget all chats and reads them in one call. @returns how many were found in Redis. */
async function readAllAnew({ instance, api }: TestInstance): Promise<number> {
  const { store } = instance.app.get(CacheState);
  for (const chatId of chatIds) {
    const entry = store.getChat(chatId);
    if (entry !== undefined) store.removeChat(entry, 'invalidated');
  }
  const { hits } = instance.app.get(SharedChats).stats;
  const { status, body } = await api.post<{ items: { items: { text: string }[] }[] }>('/v1/messages/latest', {
    chatIds,
    limit: 5,
  });
  expect(status).toBe(200);
  const rows = await database.query<{ text: string }>(
    'SELECT text FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (chat_id, place) JOIN message USING (chat_id) ORDER BY place, seq',
    [chatIds],
  );
  expect(body.items.flatMap(({ items }) => items.map(({ text }) => text))).toEqual(rows.map(({ text }) => text));
  return instance.app.get(SharedChats).stats.hits - hits;
}

/** Reads on both until each finds all in Redis that the other has shared. */
const untilAllIsShared = (): Promise<boolean> =>
  waitUntil(async () => {
    await readAllAnew(one);
    return (await readAllAnew(other)) === CHATS;
  }, DEADLINE_MS);

describe('what instances share in a Redis Cluster', () => {
  it('is on all of its nodes, and found on each', async () => {
    expect(await untilAllIsShared()).toBe(true);
    const keys = await cluster.countKeys();
    expect(keys.every((count) => count > 0)).toBe(true);
    expect(keys.reduce((sum, count) => sum + count)).toBe(CHATS);
  });

  it('is shared again where its slots have gone', async () => {
    await cluster.moveSlots(0, 1);
    await readAllAnew(one);
    expect(await untilAllIsShared()).toBe(true);
  });

  it('falls away without harm while a node hangs or all are gone, and is there again when they are', async () => {
    patience.mockRestore();
    cluster.pause(1);
    await one.api.send(chatIds[0]!, { senderId: 'ann', text: 'while a node hangs' });
    for (const instance of [one, other]) await readAllAnew(instance);
    cluster.resume(1);
    patience = waitForRedis();
    expect(await untilAllIsShared()).toBe(true);
    await cluster.kill();
    await one.api.send(chatIds[0]!, { senderId: 'ann', text: 'while all are gone' });
    for (const instance of [one, other]) expect(await readAllAnew(instance)).toBe(0);
    await cluster.restart();
    expect(await untilAllIsShared()).toBe(true);
  });

  it('is found by an instance that has started while it was away', async () => {
    await other.close();
    await cluster.kill();
    other = await startTestInstance(settings(), database);
    expect(await readAllAnew(other)).toBe(0);
    await cluster.restart();
    expect(await untilAllIsShared()).toBe(true);
  });
});
