import { Agent, request as ask } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { InstanceProcess } from '../support/instance-process.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const WAIT_MS = 20_000;

/** Below the time limit of an instance here: what takes so long is not at work. */
const PROMPT_MS = 7000;

async function readWarmChats(instance: InstanceProcess): Promise<number> {
  const { body } = await instance.api.get<string>('/metrics');
  return Number(/^scrollback_cache_warm_chats (\d+)/m.exec(body)![1]);
}

/** Sends a message over a connection that is kept. Resolves to the status and what was said of the connection, or to why there is no answer. */
function sendOver(agent: Agent, url: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const sending = ask(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } }, (answer) => {
      answer.resume().on('end', () => resolve(`${answer.statusCode} ${answer.headers.connection}`));
    });
    sending.on('error', (error) => resolve(error.message));
    sending.end(JSON.stringify({ senderId: 'ann', text }));
  });
}

describe('a signal to end', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let environment: Readonly<Record<string, string>>;
  beforeAll(async () => {
    database = await createTestDatabase();
    const way = await startDatabaseProxy(database);
    ({ proxy } = way);
    environment = { DATABASE_URL: way.url, PORT: '0', CACHE_MAX_BYTES: '16MiB', SHUTDOWN_TIMEOUT_MS: '10000' };
  });
  afterAll(async () => {
    await proxy.stop();
    await database.drop();
  });
  const hot = async (): Promise<number> =>
    Number((await database.query<{ count: string }>('SELECT count(*) FROM cache_heat'))[0]!.count);

  const hottest: string[] = [];

  it('that comes again while an instance drains ends it at once, with exit code 1', async () => {
    const instance = await InstanceProcess.start({ ...environment, SHUTDOWN_DRAIN_MS: '9000' });
    process.kill(instance.pid!, 'SIGTERM');
    expect(await waitUntil(async () => !(await instance.isReady()), WAIT_MS)).toBe(true);
    // Two signals within 100 ms are one key press.
    expect(await waitUntil(() => instance.output.includes('closing'), WAIT_MS)).toBe(true);
    let signals = 0;
    const ended = await waitUntil(() => {
      if (instance.isRunning && signals++ < 100) process.kill(instance.pid!, 'SIGTERM');
      return !instance.isRunning;
    }, WAIT_MS);
    expect(ended).toBe(true);
    expect(instance.ended).toBe(1);
  });

  it('leaves the heat of the cache behind for the next start', async () => {
    const instance = await InstanceProcess.start(environment);
    for (let at = 0; at < 5; at++) {
      const { id } = await instance.api.createChat({ participants: [{ userId: 'ann' }] });
      await instance.api.send(id, { senderId: 'ann', text: 'hello' });
      await instance.api.page(id);
      hottest.push(id);
    }
    await instance.stop();
    expect(instance.ended).toBe(0);
    expect(await hot()).toBe(5);
  });

  it('soon after a start over a slow connection ends it with exit code 0, and does not forget what was hot', async () => {
    const instance = await InstanceProcess.start(environment);
    await instance.stop();
    // Ready before it is warm, by the deadline.
    proxy.slowDown(100);
    const slow = await InstanceProcess.start({ ...environment, CACHE_WARM_DEADLINE_MS: '0' });
    process.kill(slow.pid!, 'SIGTERM');
    expect(await waitUntil(() => !slow.isRunning, WAIT_MS)).toBe(true);
    proxy.slowDown(0);
    expect(slow.ended).toBe(0);
    expect(await hot()).toBe(5);
  });

  it('in the middle of warming ends it with exit code 0, and does not forget what was hot', async () => {
    const chats = 15_000;
    await database.query(`INSERT INTO chat (title) SELECT 'Chat ' || n FROM generate_series(1, ${chats}) n`);
    proxy.slowDown(40);
    const slow = await InstanceProcess.start({ ...environment, CACHE_WARM_DEADLINE_MS: '0' });
    // It loads 200 chats with a query.
    expect(await waitUntil(async () => (await readWarmChats(slow)) > 0, WAIT_MS)).toBe(true);
    process.kill(slow.pid!, 'SIGTERM');
    expect(await waitUntil(() => !slow.isRunning, WAIT_MS)).toBe(true);
    proxy.slowDown(0);
    expect(slow.ended).toBe(0);
    const [, loaded, all] = /Warming stopped: (\d+) of (\d+) chats/.exec(slow.output)!.map(Number);
    expect(loaded).toBeGreaterThan(0);
    expect(loaded).toBeLessThan(all!);
    expect(all).toBeGreaterThanOrEqual(chats);
    const stillHot = await database.query('SELECT FROM cache_heat WHERE chat_id = ANY ($1)', [hottest]);
    expect(stillHot).toHaveLength(hottest.length);
  });

  it('while the database hangs ends it promptly, with exit code 0', async () => {
    const instance = await InstanceProcess.start(environment);
    proxy.freeze();
    expect(await waitUntil(async () => !(await instance.isReady()), WAIT_MS)).toBe(true);
    process.kill(instance.pid!, 'SIGTERM');
    expect(await waitUntil(() => !instance.isRunning, PROMPT_MS)).toBe(true);
    expect(instance.ended).toBe(0);
    proxy.thaw();
    expect(await hot()).toBeGreaterThanOrEqual(5);
  });

  it('while requests are under way on kept connections answers all of them, and ends promptly with exit code 0', async () => {
    const instance = await InstanceProcess.start(environment);
    const { id } = await instance.api.createChat({ participants: [{ userId: 'ann' }] });
    const sends = 40;
    const agent = new Agent({ keepAlive: true, maxSockets: sends });
    const url = `${instance.url}/v1/chats/${id}/messages`;
    const sendAll = (): Promise<string[]> =>
      Promise.all(Array.from({ length: sends }, (_unused, at) => sendOver(agent, url, `text ${at}`)));
    expect(new Set(await sendAll())).toEqual(new Set(['201 keep-alive']));
    // Somebody else holds the chat, so that they are under way for as long as it takes.
    await database.query('BEGIN');
    await database.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [id]);
    const answers = sendAll();
    const queued = async (): Promise<boolean> =>
      new RegExp(`scrollback_write_queue_length ${sends}\n`).test((await instance.api.get<string>('/metrics')).body);
    expect(await waitUntil(queued, WAIT_MS)).toBe(true);
    process.kill(instance.pid!, 'SIGTERM');
    const refuses = (): Promise<boolean> =>
      fetch(instance.url, { headers: { connection: 'close' } }).then(
        () => false,
        () => true,
      );
    expect(await waitUntil(refuses, WAIT_MS)).toBe(true);
    await database.query('COMMIT');
    expect(new Set(await answers)).toEqual(new Set(['201 close']));
    expect(await waitUntil(() => !instance.isRunning, PROMPT_MS)).toBe(true);
    expect(instance.ended).toBe(0);
    agent.destroy();
    const stored = await database.query('SELECT FROM message WHERE chat_id = $1', [id]);
    expect(stored).toHaveLength(2 * sends);
  });
});
