import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { MessageCache } from '../../src/cache/message-cache.js';
import type { WireLatest } from '../../src/cache/wire-types.js';
import { RequestLimits } from '../../src/limits/request-limits.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { DEADLINE_MS } from '../support/process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectRefused } from './expect-answer.js';
import { untilWarm } from './until-warm.js';

const MEBIBYTE = 2 ** 20;
const CHATS = 20;
/** Of 16 KiB each. */
const MESSAGES = 110;

let database: TestDatabase;
let chatIds: string[];
beforeAll(async () => {
  database = await createTestDatabase();
  const chats = await database.query<{ id: string }>(
    `INSERT INTO chat (kind, title, created_by) SELECT 'group', 'Large', 'ann' FROM generate_series(1, $1) RETURNING id`,
    [CHATS],
  );
  chatIds = chats.map(({ id }) => id);
  await database.query(
    `INSERT INTO message (chat_id, sender_id, text)
     SELECT chat_id, 'ann', repeat('x', 16384) FROM unnest($1::uuid[]) AS chat_id, generate_series(1, $2)`,
    [chatIds, MESSAGES],
  );
});
afterAll(() => database.drop());

describe('the newest messages of many chats', () => {
  let running: TestInstance;
  beforeAll(async () => {
    // Off, so that each chat that is read is read from the database.
    running = await startTestInstance({ CACHE_MODE: 'off' }, database);
  });
  afterAll(() => running.close());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('are refused beyond 16 MiB, before most of them have been loaded', async () => {
    const load = jest.spyOn(ChatRepository.prototype, 'loadChats');
    const refused = await running.api.post('/v1/messages/latest', { chatIds, limit: 200 });
    expectRefused(refused, 422, 'answer_too_large');
    expect((refused.body as { readonly detail: string }).detail).toMatch(/fewer chats or with a smaller limit/);
    expect(load.mock.calls.length).toBeGreaterThan(0);
    expect(load.mock.calls.length).toBeLessThanOrEqual(CHATS / 2);
  });

  it('are answered up to there, in the order in which they were asked for', async () => {
    for (const [ids, limit] of [
      [chatIds.slice(0, 9), 200],
      [[...chatIds].reverse(), 40],
    ] as const) {
      const { status, body } = await running.api.post<WireLatest>('/v1/messages/latest', { chatIds: ids, limit });
      expect(status).toBe(200);
      expect(body.items.map(({ chatId, items }) => [chatId, items.length])).toEqual(
        ids.map((id) => [id, Math.min(limit, MESSAGES)]),
      );
    }
  });
});

describe('answers that nobody takes', () => {
  let running: TestInstance;
  let page: string;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    running = await startTestInstance({}, database);
    await untilWarm(running.api);
    page = `/v1/chats/${chatIds[0]}/messages?limit=200`;
    expect((await running.api.get(page)).status).toBe(200);
    expect((await running.api.get(page)).headers.get('cache-status')).toBe('scrollback; hit');
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(() => running.close());

  const waitingBytes = (): number => running.instance.app.get(RequestLimits).answers.bytes;
  const until = (condition: () => boolean): Promise<boolean> => waitUntil(condition, DEADLINE_MS);
  /** Asks on a connection of its own, and does not read what is answered. */
  const askOnly = async (bytes: string): Promise<Socket> => {
    const socket = connect(Number(new URL(running.instance.url).port), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined).pause();
    await once(socket, 'connect');
    socket.write(bytes);
    return socket;
  };
  const getPage = (): string => `GET ${page} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const getLatest = (): string => {
    const body = JSON.stringify({ chatIds: chatIds.slice(0, 9), limit: 200 });
    const type = 'Content-Type: application/json';
    return `POST /v1/messages/latest HTTP/1.1\r\nHost: x\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  };

  /** Has more waiting than may. */
  const fill = async (): Promise<void> => {
    await askOnly(getPage().repeat(200));
    expect(await until(() => waitingBytes() > 250 * MEBIBYTE)).toBe(true);
    // The rest was refused, and what the network has taken waits no more; of the next answer it cannot take the whole.
    expect(waitingBytes()).toBeLessThan(259 * MEBIBYTE);
    await askOnly(getLatest());
    expect(await until(() => waitingBytes() > 256 * MEBIBYTE)).toBe(true);
  };

  it('have others refused while they are more than 256 MiB, but for probes and metrics, and nobody when their connection has ended', async () => {
    await fill();
    const refused = await running.api.get(page);
    expectRefused(refused, 503, 'overloaded');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await running.api.post('/v1/chats', {})).status).toBe(503);
    for (const path of ['/health/live', '/health/ready', '/metrics'])
      expect([path, (await running.api.get(path)).status]).toEqual([path, 200]);
    for (const socket of sockets) socket.destroy();
    expect(await until(() => waitingBytes() === 0)).toBe(true);
    expect((await running.api.get(page)).status).toBe(200);
  });

  it.each([
    ['from memory', () => getPage().repeat(5), 1.8 * 4],
    ['by the framework', getLatest, 15],
  ])('are counted until they are taken: those that are answered %s', async (_how, asked, mebibytes) => {
    const socket = await askOnly(asked());
    expect(await until(() => waitingBytes() > 0.5 * mebibytes * MEBIBYTE)).toBe(true);
    socket.resume();
    expect(await until(() => waitingBytes() === 0)).toBe(true);
  });

  it('are not made any more for those who were let in before they were too many', async () => {
    const find = jest.spyOn(MessageCache.prototype, 'findLatest').mockImplementation(async function (
      this: MessageCache,
      ...args
    ) {
      find.mockRestore();
      await fill();
      return this.findLatest(...args);
    });
    const refused = await running.api.post('/v1/messages/latest', { chatIds, limit: 10 });
    expectRefused(refused, 503, 'overloaded');
    expect(refused.headers.get('cache-status')).toBeNull();
  });
});
