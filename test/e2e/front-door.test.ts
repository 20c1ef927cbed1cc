import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { RequestLimits } from '../../src/limits/request-limits.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { ApiClient } from '../support/api-client.js';
import { DEADLINE_MS } from '../support/process.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const KEY = 'the-key-of-a-service';
const digest = createHash('sha256').update(KEY).digest('hex');
const SETTINGS = {
  AUTH_MODE: 'key,jwt',
  AUTH_KEYS: `one:${digest}`,
  AUTH_JWT_SECRET: 'a secret of more than thirty-two bytes',
  METRICS_PORT: '0',
};

let running: TestInstance;
let service: ApiClient;
beforeAll(async () => {
  running = await startTestInstance(SETTINGS);
  service = new ApiClient(running.instance.url, undefined, KEY);
});
afterAll(() => running.close());

async function open(
  port = Number(new URL(running.instance.url).port),
): Promise<{ socket: Socket; said: () => string }> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  socket.on('data', (chunk) => (said += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, said: () => said };
}

const statusesIn = (said: string): number[] =>
  [...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
const untilAnswered = (said: () => string, count: number): Promise<boolean> =>
  waitUntil(() => statusesIn(said()).length >= count, DEADLINE_MS);
const request = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

describe('requests at work', () => {
  const atWork = (): number => running.instance.app.get(RequestLimits).shedder.inFlight;

  it.each([
    ['probes', request('/health/ready')],
    ['requests of strangers', request('/v1/users/ann/chats')],
    ['requests of a service', request('/v1/users/ann/chats', `Authorization: Bearer ${KEY}\r\n`)],
  ])('are none any more when a connection with many %s on their way breaks', async (_what, each) => {
    for (const waitMs of [0, 1, 3, 10]) {
      const { socket } = await open();
      socket.write(each.repeat(300));
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      socket.destroy();
    }
    expect(await waitUntil(() => atWork() === 0, DEADLINE_MS)).toBe(true);
    expect((await service.get('/v1/users/ann/chats')).status).toBe(200);
  });

  it('are few of one connection: the others wait, and all are answered in their order', async () => {
    const { socket, said } = await open();
    const wanted = Array.from({ length: 200 }, (_unused, at) => (at % 3 === 0 ? 200 : 404));
    const bytes = wanted.map((status) =>
      request(status === 200 ? '/v1/users/ann/chats' : '/v1/nothing', `Authorization: Bearer ${KEY}\r\n`),
    );
    socket.write(bytes.join(''));
    let most = 0;
    const answered = waitUntil(() => {
      most = Math.max(most, atWork());
      return statusesIn(said()).length === wanted.length;
    }, DEADLINE_MS);
    expect(await answered).toBe(true);
    expect(statusesIn(said())).toEqual(wanted);
    expect(most).toBeLessThanOrEqual(16);
    socket.destroy();
  });

  it('of a user who floods a connection with questions for hidden chats are all answered in their order', async () => {
    const token = await new SignJWT({ sub: 'mallory' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(SETTINGS.AUTH_JWT_SECRET));
    const { socket, said } = await open();
    const path = '/v1/chats/00000000-0000-4000-8000-000000000000';
    const more = (at: number) => `Authorization: Bearer ${token}\r\nX-Request-Id: no-${at}\r\n`;
    const places = Array.from({ length: 2000 }, (_unused, at) => at);
    socket.write(places.map((at) => request(path, more(at))).join(''));
    expect(await untilAnswered(said, places.length)).toBe(true);
    expect(new Set(statusesIn(said()))).toEqual(new Set([404]));
    expect([...said().matchAll(/x-request-id: no-(\d+)/gi)].map(([, at]) => Number(at))).toEqual(places);
    socket.destroy();
  });
});

describe('who cannot prove who they are', () => {
  it('is told so before their body has come, whatever it would be', async () => {
    const bodies = [
      'POST /v1/chats HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n{',
      'POST /v1/chats HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\nnot JSON!',
      'POST /v1/chats HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}',
    ];
    for (const body of bodies) {
      const { socket, said } = await open();
      socket.write(body);
      expect(await untilAnswered(said, 1)).toBe(true);
      expect(statusesIn(said())).toEqual([401]);
      socket.destroy();
    }
  });

  it('is looked at so many times and no more, also when they come all at once, and a good key is let in beside them', async () => {
    const limited = await startTestInstance({ ...SETTINGS, RATE_LIMIT_MAX: '10', RATE_LIMIT_WINDOW_MS: '3600000' });
    try {
      for (const path of ['/v1/users/ann/chats', '/metrics']) {
        const { socket, said } = await open(Number(new URL(limited.instance.url).port));
        const attempts = Array.from({ length: 50 }, (_unused, at) =>
          request(path, `Authorization: Bearer ${path.length}${at}.b.c\r\n`),
        );
        socket.write(attempts.join(''));
        expect(await untilAnswered(said, 50)).toBe(true);
        const statuses = statusesIn(said());
        expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(10);
        expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(40);
        socket.destroy();
      }
      const late = new ApiClient(limited.instance.url, undefined, KEY);
      expect((await late.get('/metrics')).status).toBe(200);
      expect((await late.get('/v1/users/ann/chats')).status).toBe(200);
    } finally {
      await limited.close();
    }
  });
});

describe('the port of operators', () => {
  it.each([
    '/health/../openapi.json',
    '/health/../v1/users/ann/chats',
    '/health/',
    '/health/live/../../metrics',
    '/v1/chats',
  ])('has nothing but probes and metrics: not %s', async (path) => {
    const { socket, said } = await open(running.instance.operationsPort);
    socket.write(request(path));
    expect(await untilAnswered(said, 1)).toBe(true);
    expect(statusesIn(said())).toEqual([404]);
    expect(said()).toMatch(/x-content-type-options: nosniff/i);
    socket.destroy();
  });

  it('answers probes and scrapes, and takes nothing', async () => {
    const url = `http://127.0.0.1:${running.instance.operationsPort}`;
    for (const path of ['/health/live', '/health/ready?from=probe', '/health/startup', '/metrics']) {
      expect((await fetch(url + path)).status).toBe(200);
      expect((await fetch(url + path, { method: 'POST' })).status).toBe(405);
    }
  });
});
