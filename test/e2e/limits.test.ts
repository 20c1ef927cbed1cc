import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPair, SignJWT } from 'jose';
import { waitUntil as waitFor } from '../../src/storage/embedded/wait-until.js';
import { RequestLimits } from '../../src/limits/request-limits.js';
import { ApiClient } from '../support/api-client.js';
import { InstanceProcess } from '../support/instance-process.js';
import { RedisServer } from '../support/redis-server.js';

import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import { expectRefused } from './expect-answer.js';
import { untilWarm } from './until-warm.js';

const SECRET = 'a secret of more than thirty-two bytes';
const KEY = 'the-key-of-a-service';
const OTHER_KEY = 'the-key-of-another-service';
const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex');

/** How long anything is waited for. */
const WAIT_MS = 20_000;

const waitUntil = (condition: () => boolean | Promise<boolean>): Promise<boolean> => waitFor(condition, WAIT_MS);

/** A window that does not end during a test. */
const HOUR_MS = String(3_600_000);

const metric = async (running: TestInstance, name: string): Promise<number> => {
  const text = (await running.api.get<string>('/metrics', { authorization: `Bearer ${KEY}` })).body;
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))!
      .slice(name.length),
  );
};

describe('the rate limit', () => {
  let database: TestDatabase;
  const started: TestInstance[] = [];
  const start = async (settings: Readonly<Record<string, string>>): Promise<TestInstance> => {
    const instance = await startTestInstance({ RATE_LIMIT_WINDOW_MS: HOUR_MS, ...settings }, database);
    started.push(instance);
    return instance;
  };
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await Promise.all(started.map((each) => each.close()));
    await database.drop();
  });

  const keys = {
    AUTH_MODE: 'key,jwt',
    AUTH_KEYS: `one:${digestOf(KEY)},two:${digestOf(OTHER_KEY)}`,
    AUTH_JWT_SECRET: SECRET,
  };
  const userOf = async (running: TestInstance, userId: string): Promise<ApiClient> => {
    const token = await new SignJWT({ sub: userId })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(SECRET));
    return new ApiClient(running.instance.url, undefined, token);
  };
  const statuses = async (times: number, ask: () => Promise<{ status: number }>): Promise<number[]> => {
    const found = [];
    for (let at = 0; at < times; at++) found.push((await ask()).status);
    return found;
  };

  it('answers 429 with Retry-After to the one request too many, and tells before what is left', async () => {
    const { api } = await start({ RATE_LIMIT_MAX: '3' });
    const answers = [];
    for (let at = 0; at < 4; at++) answers.push(await api.as('ann').get('/v1/users/ann/chats'));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.map(({ headers }) => headers.get('x-ratelimit-remaining'))).toEqual(['2', '1', '0', '0']);
    expectRefused(answers[3]!, 429, 'rate_limited');
    expect(Number(answers[3]!.headers.get('retry-after'))).toBeGreaterThan(3000);
    expect(Number(answers[3]!.headers.get('retry-after'))).toBeLessThanOrEqual(3600);
    expect(answers[3]!.headers.get('x-ratelimit-limit')).toBe('3');
    expect(answers[3]!.headers.get('x-request-id')).not.toBeNull();
  });

  it('counts every route of the API, broken requests and routes that there are not, but not probes and metrics', async () => {
    const { api } = await start({ RATE_LIMIT_MAX: '4' });
    const ann = api.as('ann');
    expect((await ann.get('/v1/nothing')).status).toBe(404);
    expect((await ann.post('/v1/chats', '{')).status).toBe(400);
    expect((await ann.post('/v1/chats', { id: 'no uuid' })).status).toBe(400);
    expect((await ann.post('/v1/chats', {})).status).toBe(201);
    expect((await ann.post('/v1/chats', {})).status).toBe(429);
    expect((await ann.get('/v1/nothing')).status).toBe(429);
    expect((await ann.get('/%76%31/admin/cache')).status).toBe(429);
    expect(await statuses(10, () => ann.get('/health/live'))).toEqual(Array(10).fill(200));
    expect(await statuses(10, () => ann.get('/metrics'))).toEqual(Array(10).fill(200));
  });

  it('counts what is answered from memory like everything else', async () => {
    const running = await start({ RATE_LIMIT_MAX: '50' });
    await untilWarm(running.api);
    const { id } = await running.api.createChat({ participants: [{ userId: 'ann' }] });
    await running.api.as('ann').page(id);
    const found = await statuses(60, () => running.api.as('ben').get(`/v1/chats/${id}/messages`));
    expect(found).toEqual([...Array<number>(50).fill(200), ...Array<number>(10).fill(429)]);
  });

  it('lets in again when the window is over', async () => {
    const { api } = await start({ RATE_LIMIT_MAX: '1', RATE_LIMIT_WINDOW_MS: '100' });
    await api.as('ann').get('/v1/users/ann/chats');
    expect(await waitUntil(async () => (await api.as('ann').get('/v1/users/ann/chats')).status === 200)).toBe(true);
  });

  it('counts a user as one caller, with any token and through any service, and services and users apart', async () => {
    const running = await start({ ...keys, RATE_LIMIT_MAX: '3' });
    const one = new ApiClient(running.instance.url, undefined, KEY);
    const two = new ApiClient(running.instance.url, undefined, OTHER_KEY);
    const inbox = '/v1/users/ann/chats';
    expect((await (await userOf(running, 'ann')).get(inbox)).status).toBe(200);
    expect((await (await userOf(running, 'ann')).get(inbox)).status).toBe(200);
    expect((await one.as('ann').get(inbox)).status).toBe(200);
    expect((await two.as('ann').get(inbox)).status).toBe(429);
    expect((await (await userOf(running, 'ben')).get('/v1/users/ben/chats')).status).toBe(200);
    expect(await statuses(4, () => one.get('/v1/admin/cache'))).toEqual([200, 200, 200, 429]);
    expect(await statuses(4, () => two.get('/v1/admin/cache'))).toEqual([200, 200, 200, 429]);
  });

  it('counts those who cannot prove who they are by their address, and leaves those who have proved it alone', async () => {
    const running = await start({ ...keys, RATE_LIMIT_MAX: '3' });
    const known = await userOf(running, 'ann');
    expect((await known.get('/v1/users/ann/chats')).status).toBe(200);
    const guessing = (guess: number) => new ApiClient(running.instance.url, undefined, `guess-${guess}`);
    let guess = 0;
    expect(await statuses(5, () => guessing(guess++).get('/v1/admin/cache'))).toEqual([401, 401, 401, 429, 429]);
    expect((await guessing(99).post('/v1/chats', '{')).status).toBe(429);
    expect((await known.get('/v1/users/ann/chats')).status).toBe(200);
    expect(await metric(running, 'scrollback_http_refusals_total{cause="rate"}')).toBe(3);
  });

  it('lets in all who come for the first time at once from one address, however many more than the limit', async () => {
    const running = await start({ ...keys, RATE_LIMIT_MAX: '20' });
    const users = await Promise.all(Array.from({ length: 60 }, (_unused, at) => userOf(running, `user-${at}`)));
    const answers = await Promise.all(users.map((user, at) => user.get(`/v1/users/user-${at}/chats`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(60).fill(200));
    const stranger = new ApiClient(running.instance.url, undefined, 'a guess');
    expect((await stranger.get('/v1/admin/cache')).status).toBe(401);
  });

  it('looks at no more proofs of an address than may fail, also when they come all at once', async () => {
    const running = await start({ ...keys, RATE_LIMIT_MAX: '20' });
    const forged = await new SignJWT({ sub: 'ann' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from('another secret of more than thirty-two bytes'));
    const forger = new ApiClient(running.instance.url, undefined, forged);
    const answers = await Promise.all(Array.from({ length: 300 }, () => forger.get('/v1/users/ann/chats')));
    const looked = answers.filter(({ status }) => status === 401).length;
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(300 - looked);
    expect(looked).toBe(20);
    expect((await forger.get('/v1/users/ann/chats')).status).toBe(429);
    // Whose address it is too: who is new there waits for the window to end, a service does not.
    expect((await (await userOf(running, 'ben')).get('/v1/users/ben/chats')).status).toBe(429);
    expect((await new ApiClient(running.instance.url, undefined, KEY).get('/v1/admin/cache')).status).toBe(200);
  });

  it('counts requests of who has proved who they are as theirs, though they want to act for whom they may not', async () => {
    const running = await start({ ...keys, RATE_LIMIT_MAX: '3' });
    const ann = await userOf(running, 'ann');
    const guess = new ApiClient(running.instance.url, undefined, 'a guess');
    const inbox = '/v1/users/ann/chats';
    expect(await statuses(4, () => ann.as('ben').get(inbox))).toEqual([403, 403, 403, 429]);
    expect(await statuses(4, () => guess.get(inbox))).toEqual([401, 401, 401, 429]);
    const known = await userOf(running, 'cleo');
    expect((await known.get('/v1/users/cleo/chats')).status).toBe(429);
  });

  it('lets those who are known go on from an address with too many failures, also when they say who they are twice', async () => {
    const running = await start({ ...keys, RATE_LIMIT_MAX: '3' });
    const ann = await userOf(running, 'ann');
    expect((await ann.get('/v1/users/ann/chats')).status).toBe(200);
    const guess = new ApiClient(running.instance.url, undefined, 'a guess');
    expect(await statuses(4, () => guess.get('/v1/users/ann/chats'))).toEqual([401, 401, 401, 429]);
    expect((await ann.as('ann').get('/v1/users/ann/chats')).status).toBe(200);
  });

  it('does not count against an address that its tokens cannot be judged', async () => {
    const { AUTH_KEYS } = keys;
    // Nobody listens there.
    const AUTH_JWKS_URL = 'http://127.0.0.1:1/keys';
    const running = await start({ AUTH_MODE: 'key,jwt', AUTH_KEYS, AUTH_JWKS_URL, RATE_LIMIT_MAX: '3' });
    const ann = await userOf(running, 'ann');
    const { privateKey } = await generateKeyPair('ES256');
    const token = await new SignJWT({ sub: 'ann' })
      .setProtectedHeader({ alg: 'ES256' })
      .setExpirationTime('1h')
      .sign(privateKey);
    const waiting = new ApiClient(running.instance.url, undefined, token);
    expect(await statuses(5, () => waiting.get('/v1/users/ann/chats'))).toEqual(Array(5).fill(503));
    expect((await ann.get('/v1/users/ann/chats')).status).toBe(401);
  });

  it('believes an address that is forwarded only from proxies that are trusted', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const plain = await start({ RATE_LIMIT_MAX: '2' });
    const trusting = await start({ RATE_LIMIT_MAX: '2', TRUSTED_PROXIES: '127.0.0.0/8' });
    for (const { api } of [plain, trusting]) await untilWarm(api);
    const { id } = await trusting.api.createChat();
    const path = `/v1/chats/${id}/messages`;
    const asked = async (running: TestInstance): Promise<number[]> => {
      const found = [];
      for (let at = 0; at < 4; at++) found.push((await running.api.get(path, from(`192.0.2.${at}`))).status);
      return found;
    };
    expect((await asked(plain)).filter((status) => status === 429)).toHaveLength(2);
    expect(await asked(trusting)).toEqual([200, 200, 200, 200]);
  });

  it('is counted by all instances together through Redis, and by each alone without', async () => {
    const redis = await RedisServer.start();
    const settings = { RATE_LIMIT_MAX: '20', REDIS_URL: redis.url, COHERENCE_BUS: 'postgres' };
    const [first, second] = [await start(settings), await start(settings)];
    const ask = async ({ api }: TestInstance, user: string) =>
      (await api.as(user).get(`/v1/users/${user}/chats`)).status;
    for (let at = 0; at < 20; at++) expect(await ask(first, 'ann')).toBe(200);
    expect(await waitUntil(async () => (await ask(second, 'ann')) === 429)).toBe(true);
    expect(await ask(second, 'ben')).toBe(200);
    await redis.kill();
    const others = [];
    for (let at = 0; at < 21; at++) others.push(await ask(first, 'cleo'));
    expect(others).toEqual([...Array<number>(20).fill(200), 429]);
    await redis.stop();
  });
});

describe('an instance with more to do than it can', () => {
  it('refuses what would wait too when too much waits already, and says so by probes and metrics', async () => {
    const database = await createTestDatabase();
    const { proxy, url } = await startDatabaseProxy(database);
    const running = await startTestInstance({ DATABASE_URL: url, MAX_REQUESTS_IN_FLIGHT: '20' }, database);
    try {
      await untilWarm(running.api);
      const { id } = await running.api.createChat();
      await running.api.page(id);
      proxy.freeze();
      const waiting = Array.from({ length: 20 }, () =>
        running.api.send(id, { senderId: 'ann', text: 'waits' }).catch(() => undefined),
      );
      const limits = running.instance.app.get(RequestLimits);
      expect(await waitUntil(() => limits.shedder.inFlight === 20)).toBe(true);
      const refused = await running.api.post(`/v1/chats/${id}/messages`, { senderId: 'ann', text: 'one more' });
      expectRefused(refused, 503, 'overloaded');
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(refused.headers.get('x-request-id')).not.toBeNull();
      expect(refused.headers.get('x-content-type-options')).toBe('nosniff');
      expect((await running.api.get('/health/live')).status).toBe(200);
      expect(await metric(running, 'scrollback_http_refusals_total{cause="overload"}')).toBe(1);
      proxy.thaw();
      await Promise.all(waiting);
      expect(await waitUntil(async () => (await running.api.get(`/v1/chats/${id}`)).status === 200)).toBe(true);
      expect(limits.shedder.inFlight).toBe(0);
    } finally {
      proxy.thaw();
      await running.close();
      await proxy.stop();
      await database.drop();
    }
  });

  it('refuses in words that pages of allowed origins may read, and answers what browsers ask before', async () => {
    const origin = 'https://chat.example';
    const running = await startTestInstance({
      CORS_ORIGINS: origin,
      MAX_EVENT_LOOP_DELAY_MS: '0',
      RATE_LIMIT_MAX: '1',
      RATE_LIMIT_WINDOW_MS: HOUR_MS,
    });
    const { shedder } = running.instance.app.get(RequestLimits);
    const ask = (from: string, method = 'GET'): Promise<Response> =>
      fetch(`${running.instance.url}/v1/admin/cache`, {
        method,
        headers: { origin: from, ...(method === 'OPTIONS' ? { 'access-control-request-method': 'GET' } : {}) },
      });
    const first = await ask(origin);
    for (const [status, code] of [
      [429, 'rate_limited'],
      [503, 'overloaded'],
    ] as const) {
      for (let look = 0; code === 'overloaded' && look < 2; look++) shedder.note(1);
      const refused = await ask(origin);
      expect([refused.status, await refused.json()]).toEqual([status, expect.objectContaining({ code })]);
      for (const name of ['access-control-allow-origin', 'access-control-expose-headers'])
        expect([name, refused.headers.get(name)]).toEqual([name, first.headers.get(name)]);
      expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
      expect(refused.headers.get('access-control-expose-headers')).toContain('retry-after');
      expect(refused.headers.get('vary')).toMatch(/origin/i);
      const other = await ask('https://evil.example');
      expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([status, null]);
      expect(other.headers.get('vary')).toMatch(/origin/i);
      const preflight = await ask(origin, 'OPTIONS');
      expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
      expect((await ask('https://evil.example', 'OPTIONS')).status).toBe(status);
    }
    await running.close();
  });

  it('says in the log that it has begun to refuse, and that it has stopped', async () => {
    let said = '';
    const database = await createTestDatabase();
    const settings = { DATABASE_URL: database.url, MAX_CONNECTIONS: '10' };
    const instance = await InstanceProcess.start(settings, (text) => (said += text));
    const sockets = Array.from({ length: 40 }, () => connect(instance.port, '127.0.0.1').on('error', () => undefined));
    const isSaid = (): boolean => /"event":"refusing".*"cause":"connections","count":\d+/.test(said);
    expect(await waitUntil(isSaid)).toBe(true);
    sockets.forEach((socket) => socket.destroy());
    expect(await waitUntil(() => said.includes('"event":"refusing_ended"'))).toBe(true);
    await instance.stop();
    await database.drop();
  });

  it('refuses while its event loop is behind, but answers probes and metrics', async () => {
    // No looks of its own, so that the test alone says how far behind it is.
    const running = await startTestInstance({ MAX_EVENT_LOOP_DELAY_MS: '0' });
    const { shedder } = running.instance.app.get(RequestLimits);
    shedder.note(1);
    shedder.note(1);
    expectRefused(await running.api.get('/v1/admin/cache'), 503, 'overloaded');
    expect((await running.api.get('/health/live')).status).toBe(200);
    expect((await running.api.get('/metrics')).status).toBe(200);
    shedder.note(0);
    expect((await running.api.get('/v1/admin/cache')).status).toBe(200);
    await running.close();
  });

  it('closes connections beyond its limit as they come, and answers probes on the port of operators', async () => {
    const running = await startTestInstance({ MAX_CONNECTIONS: '10', METRICS_PORT: '0' });
    const { port } = new URL(running.instance.url);
    const sockets: Socket[] = [];
    const open = async (): Promise<Socket> => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
      await once(socket, 'connect');
      return socket;
    };
    for (let at = 0; at < 10; at++) await open();
    const { refusals } = running.instance.app.get(RequestLimits);
    const tooMany = await open();
    await once(tooMany, 'close');
    expect(refusals.connections).toBe(1);
    const operations = `http://127.0.0.1:${running.instance.operationsPort}`;
    expect((await fetch(`${operations}/health/live`)).status).toBe(200);
    expect(await (await fetch(`${operations}/metrics`)).text()).toContain(
      'scrollback_http_refusals_total{cause="connections"} 1',
    );
    sockets.forEach((socket) => socket.destroy());
    expect(
      await waitUntil(
        async () => (await fetch(`${running.instance.url}/health/live`).catch(() => undefined))?.status === 200,
      ),
    ).toBe(true);
    await running.close();
  });
});
