import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SignJWT } from 'jose';
import { SendLane } from '../../src/chat/send-lane.js';
import { RequestLimits } from '../../src/limits/request-limits.js';
import { Metrics } from '../../src/metrics/metrics.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const KEY = 'a-service-key';
const SECRET = 'a secret of thirty-two bytes and more';

/** What an answer is made of, but for what differs between two chats and two moments. */
interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Way = 'fast' | 'ordinary';

let running: TestInstance;
/** Two chats in which the same is done, each by its own way. */
const chats = {} as Record<Way, string>;
let memberToken: string;
let strangerToken: string;
let readonlyToken: string;

beforeAll(async () => {
  const digest = createHash('sha256').update(KEY).digest('hex');
  running = await startTestInstance({
    AUTH_MODE: 'key,jwt',
    AUTH_KEYS: `test:${digest}`,
    AUTH_JWT_SECRET: SECRET,
    RATE_LIMIT_MAX: '100000',
    MAX_TEXT_BYTES: '2000',
  });
  const api = new ApiClient(running.instance.url, undefined, KEY);
  const participants = [{ userId: 'ann' }, { userId: 'member' }, { userId: 'reader', role: 'readonly' }];
  for (const way of ['fast', 'ordinary'] as const) {
    ({ id: chats[way] } = await api.createChat({ participants }));
    await api.send(chats[way], { senderId: 'ann', text: 'first' });
  }
  [memberToken, strangerToken, readonlyToken] = await Promise.all([
    tokenOf('member'),
    tokenOf('stranger'),
    tokenOf('reader'),
  ]);
  // From now on they are known.
  for (const token of [memberToken, strangerToken, readonlyToken]) {
    await new ApiClient(running.instance.url, undefined, token).get(`/v1/chats/${chats.fast}`);
  }
});
afterAll(() => running.close());
afterEach(() => {
  jest.restoreAllMocks();
});

function tokenOf(userId: string): Promise<string> {
  const token = new SignJWT({}).setSubject(userId).setExpirationTime('1h').setProtectedHeader({ alg: 'HS256' });
  return token.sign(new TextEncoder().encode(SECRET));
}

async function send(way: Way, body: string | Uint8Array, more: Readonly<Record<string, string>>): Promise<Seen> {
  const chatId = chats[way];
  // The second is a form that only the framework reads.
  const path = `/v1/chats/${chatId}/${way === 'fast' ? 'messages' : '%6D%65ssages'}`;
  const headers = {
    authorization: `Bearer ${KEY}`,
    'content-type': 'application/json',
    'x-request-id': 'one-request',
    ...more,
  };
  const answer = await fetch(running.instance.url + path, { method: 'POST', headers, body });
  const mask = (text: string): string =>
    text.replaceAll(chatId, 'CHAT').replaceAll(/"createdAt":"2026[^"]*"/g, '"createdAt":"NOW"');
  const {
    date: _date,
    'x-ratelimit-remaining': _left,
    'x-ratelimit-reset': _rest,
    ...kept
  } = Object.fromEntries(answer.headers);
  const masked = Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, mask(value)]));
  return { status: answer.status, headers: masked, body: mask(await answer.text()) };
}

const take = SendLane.prototype.take;

/** How far a request came on the fast way. */
type Course = 'taken' | 'given back' | 'left';

/** Sends the same by both ways. @returns the answer that both gave, and how far the first came on the fast one. */
async function compare(
  body: unknown,
  more: Readonly<Record<string, string>> = {},
): Promise<Seen & { readonly course: Course }> {
  const courses: Course[] = [];
  jest.spyOn(SendLane.prototype, 'take').mockImplementation(function (this: SendLane, request, response, giveBack) {
    const at = courses.length;
    const isTaken = take.call(this, request, response, () => {
      courses[at] = 'given back';
      giveBack();
    });
    courses.push(isTaken ? 'taken' : 'left');
    return isTaken;
  });
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const one = await send('fast', bytes, more);
  const course = courses.at(-1)!;
  const other = await send('ordinary', bytes, more);
  expect(courses.at(-1)).toBe('left');
  expect({ sent: body, more, ...one }).toEqual({ sent: body, more, ...other });
  return { ...one, course };
}

const asUser = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('sends that are answered before the framework sees them', () => {
  it.each<[what: string, body: object, more?: Record<string, string>]>([
    ['a text', { senderId: 'ann', text: 'text' }],
    ['a text beyond ASCII', { senderId: 'ann', text: 'Grüße 🦀 \u2028 "quoted" \\' }],
    [
      'all there is',
      { senderId: 'ann', text: 't', clientId: 'all', kind: 'system', metadata: { b: 1, a: [] }, replyTo: 1 },
    ],
    ['a time', { senderId: 'ann', text: 'old', createdAt: '2020-02-29T12:00:00.5+02:00' }],
    ['a service for a user', { text: 'for bob' }, { 'x-user-id': 'bob' }],
    ['a key in the headers', { senderId: 'ann', text: 'keyed' }, { 'idempotency-key': 'key-1' }],
    ['a quoted key', { senderId: 'ann', text: 'quoted' }, { 'idempotency-key': '"key-2"' }],
  ])('get the answer that the framework gives: %s', async (_what, body, ...[more]) => {
    expect(await compare(body, more)).toMatchObject({ status: 201, course: 'taken' });
  });

  it('are told what was sent first', async () => {
    const body = { senderId: 'ann', text: 'once', clientId: 'once' };
    const first = await compare(body);
    const again = await compare(body);
    expect(first).toMatchObject({ status: 201, course: 'taken' });
    expect(again).toMatchObject({ status: 200, course: 'taken', body: first.body });
    expect(again.headers['idempotency-replayed']).toBe('true');
    const byKey = { senderId: 'ann', text: 'once' };
    expect(await compare(byKey, { 'idempotency-key': 'once' })).toMatchObject({ status: 200, course: 'taken' });
  });

  it('are refused as ever: by a rule', async () => {
    await compare({ senderId: 'ann', text: 'one', clientId: 'conflict' });
    const conflict = await compare({ senderId: 'ann', text: 'other', clientId: 'conflict' });
    expect(conflict).toMatchObject({ status: 409, course: 'taken' });
    expect(await compare({ senderId: 'ann', text: 't', replyTo: 999_999 })).toMatchObject({
      status: 422,
      course: 'taken',
    });
    expect(await compare({ text: 't' }, asUser(readonlyToken))).toMatchObject({ status: 403, course: 'taken' });
    expect(await compare({ text: 't' }, asUser(strangerToken))).toMatchObject({ status: 404, course: 'taken' });
    expect(await compare({ text: 'mine' }, asUser(memberToken))).toMatchObject({ status: 201, course: 'taken' });
  });

  it('are refused as ever: by a fault of ours, which is logged', async () => {
    jest.spyOn(MessageRepository.prototype, 'createMessage').mockRejectedValue(new Error('a secret of ours'));
    const failed = await compare({ senderId: 'ann', text: 't' });
    expect(failed).toMatchObject({ status: 500, course: 'taken' });
    expect(failed.body).not.toContain('secret');
  });

  it.each<[what: string, body: unknown, status: number, more?: Record<string, string>]>([
    ['no JSON', '{"text":', 400],
    ['broken UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 400],
    ['an unknown field', { senderId: 'ann', text: 't', more: 1 }, 400],
    ['no text', { senderId: 'ann', text: '' }, 400],
    ['a text that is too long', { senderId: 'ann', text: 'x'.repeat(2001) }, 400],
    ['NUL', { senderId: 'ann', text: 'a\u0000b' }, 400],
    ['a key that reaches for prototypes', '{"senderId":"ann","text":"t","metadata":{"__proto__":1}}', 400],
    ['nobody who sends', { text: 't' }, 400],
    ['a bad key', { senderId: 'ann', text: 't' }, 400, { 'idempotency-key': 'x'.repeat(200) }],
    ['a sender named by a user', { senderId: 'ann', text: 't' }, 403],
  ])('go the ordinary way to be told what is wrong: %s', async (_what, body, status, ...[more]) => {
    const headers = status === 403 ? asUser(memberToken) : more;
    expect(await compare(body, headers)).toMatchObject({ status, course: 'given back' });
  });

  it.each<[what: string, body: unknown, status: number, more: Record<string, string>]>([
    ['another type', { senderId: 'ann', text: 't' }, 415, { 'content-type': 'text/plain' }],
    ['a character set', { senderId: 'ann', text: 't' }, 201, { 'content-type': 'application/json; charset=utf-8' }],
    ['a coded body', { senderId: 'ann', text: 't' }, 415, { 'content-encoding': 'gzip' }],
    ['another origin', { senderId: 'ann', text: 't' }, 201, { origin: 'https://example.org' }],
    ['an unknown key', { senderId: 'ann', text: 't' }, 401, { authorization: 'Bearer wrong' }],
    ['a user id beyond ASCII', { text: 't' }, 201, { 'x-user-id': 'j\u00c3\u00b6rg' }],
    ['no body', '', 400, {}],
    ['a large body', { senderId: 'ann', text: 't', metadata: { a: 'x'.repeat(70_000) } }, 413, {}],
  ])('are left to the framework with anything unusual: %s', async (_what, body, status, more) => {
    expect(await compare(body, more)).toMatchObject({ status, course: 'left' });
  });

  it('are left where the address says more, or less', async () => {
    const take = jest.spyOn(SendLane.prototype, 'take');
    const api = new ApiClient(running.instance.url, undefined, KEY);
    for (const [path, status] of [
      [`/v1/chats/${chats.fast}/messages?x=1`, 400],
      [`/v1/chats/${chats.fast}/messages/`, 404],
      [`/v1/chats/${chats.fast.slice(1)}/messages`, 400],
      [`/v1/chats/${chats.fast}/message`, 404],
    ] as const) {
      expect([path, (await api.post(path, { senderId: 'ann', text: 't' })).status]).toEqual([path, status]);
      expect(take.mock.results.at(-1)?.value).toBe(false);
    }
    // The schema of ids decides about these.
    const upper = `/v1/chats/${chats.fast.toUpperCase()}/messages`;
    const sent = await api.post(upper, { senderId: 'ann', text: 't' });
    expect(sent.headers.get('location')).toMatch(new RegExp(`^/v1/chats/${chats.fast}/messages/\\d+$`));
    expect((await api.post(`/v1/chats/${'x'.repeat(36)}/messages`, { senderId: 'ann', text: 't' })).status).toBe(400);
  });

  it('count once against the limit of their caller, whichever way they go', async () => {
    const left = async (way: Way, body: object): Promise<number> => {
      const path = `/v1/chats/${chats.fast}/${way === 'fast' ? 'messages' : '%6D%65ssages'}`;
      const answer = await new ApiClient(running.instance.url, undefined, KEY).post(path, body);
      return Number(answer.headers.get('x-ratelimit-remaining'));
    };
    const good = { senderId: 'ann', text: 'counted' };
    const bad = { senderId: 'ann', text: '' };
    const counts = [
      await left('fast', good),
      await left('fast', bad),
      await left('ordinary', good),
      await left('fast', good),
    ];
    expect(counts.map((count) => counts[0]! - count)).toEqual([0, 1, 2, 3]);
  });

  it('are counted like the others', async () => {
    const count = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${KEY}` };
      const text = await (await fetch(`${running.instance.url}/metrics`, { headers })).text();
      const route = 'method="POST",route="/v1/chats/:chatId/messages",status="201"';
      return Number(text.split(`scrollback_http_request_duration_seconds_count{${route}} `)[1]?.split('\n')[0]);
    };
    const body = JSON.stringify({ senderId: 'ann', text: 'counted' });
    await send('fast', body, {});
    const before = await count();
    await send('fast', body, {});
    expect(await count()).toBe(before + 1);
    await send('ordinary', body, {});
    expect(await count()).toBe(before + 2);
  });
});

describe('a limit of requests', () => {
  it('counts those whose body does not come: nobody takes more places than they have requests', async () => {
    const digest = createHash('sha256').update(KEY).digest('hex');
    const limited = await startTestInstance({
      AUTH_MODE: 'key',
      AUTH_KEYS: `test:${digest}`,
      RATE_LIMIT_MAX: '10',
      RATE_LIMIT_WINDOW_MS: '60000',
    });
    try {
      const head =
        `POST /v1/chats/${chats.fast}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nX-User-Id: ann\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{';
      // The key is known from now on.
      await new ApiClient(limited.instance.url, undefined, KEY).get('/v1/chats/none');
      const sockets = await Promise.all(
        Array.from({ length: 30 }, async () => {
          const socket = connect(Number(new URL(limited.instance.url).port), '127.0.0.1');
          await once(socket, 'connect');
          return socket;
        }),
      );
      const refusals = sockets.map(async (socket) => {
        socket.write(head);
        const [answer] = (await once(socket, 'data')) as [Buffer];
        return answer.toString().startsWith('HTTP/1.1 429 ');
      });
      // Ten have their places until their bodies are late; the others are told at once.
      const told = await new Promise<number>((resolve) => {
        let count = 0;
        for (const refusal of refusals) void refusal.then((isRefusal) => isRefusal && ++count === 20 && resolve(count));
      });
      expect(told).toBe(20);
      expect(limited.instance.app.get(RequestLimits).shedder.inFlight).toBe(10);
      for (const socket of sockets) socket.destroy();
      await Promise.allSettled(refusals.map((refusal) => Promise.race([refusal, delay(100)])));
    } finally {
      await limited.close();
    }
  });
});

describe('an answer that fails', () => {
  it('ends its connection, and not the process', async () => {
    jest.spyOn(Metrics.prototype, 'observeRequest').mockImplementationOnce(() => {
      throw new Error('a metric is broken');
    });
    const api = new ApiClient(running.instance.url, undefined, KEY);
    expect(await api.send(chats.fast, { senderId: 'ann', text: 'told' })).toMatchObject({ text: 'told' });
    jest
      .spyOn(RequestLimits.prototype, 'admit')
      .mockReturnValueOnce({ isAdmitted: true, remaining: '\n' as never, restMs: 1 });
    await expect(api.send(chats.fast, { senderId: 'ann', text: 'not told' })).rejects.toThrow();
    expect((await api.page(chats.fast, '?limit=1')).items[0]).toMatchObject({ text: 'not told' });
  });
});

describe('on one connection', () => {
  const request = (body: string, more = ''): string =>
    `POST /v1/chats/${chats.fast}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n` +
    `Content-Type: application/json\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const open = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(running.instance.url).port), '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  const texts = (answer: string): string[] => [...answer.matchAll(/"text":"([^"]*)"/g)].map(([, text]) => text!);

  it('sends behind one another are answered in their order, good ones and bad ones', async () => {
    const socket = await open();
    const bodies = Array.from({ length: 40 }, (_value, at) =>
      at % 5 === 4 ? '{"senderId":"ann","text":""}' : `{"senderId":"ann","text":"line ${at}"}`,
    );
    const last = request('{"senderId":"ann","text":"end"}', 'Connection: close\r\n');
    socket.write(bodies.map((body) => request(body)).join('') + last);
    const answer = await textOf(socket);
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    expect(statuses).toEqual([...bodies.map((_body, at) => (at % 5 === 4 ? 400 : 201)), 201]);
    expect(texts(answer)).toEqual([...bodies.flatMap((_body, at) => (at % 5 === 4 ? [] : [`line ${at}`])), 'end']);
  });

  it('a body may come in pieces', async () => {
    for (const body of ['{"senderId":"ann","text":"in pieces"}', '{"senderId":"ann","text":""}']) {
      const socket = await open();
      const bytes = request(body, 'Connection: close\r\n');
      for (const piece of bytes.match(/[^]{1,40}/g)!) {
        socket.write(piece);
        await delay(1);
      }
      expect(await textOf(socket)).toMatch(body.includes('pieces') ? /^HTTP\/1\.1 201 / : /^HTTP\/1\.1 400 /);
    }
  });

  it('who goes away in the middle of a body has sent nothing, and who goes away behind it has', async () => {
    const api = new ApiClient(running.instance.url, undefined, KEY);
    const half = await open();
    half.write(request('{"senderId":"ann","text":"half a body"}').slice(0, -5));
    await delay(20);
    half.resetAndDestroy();
    const whole = await open();
    whole.write(request('{"senderId":"ann","text":"a whole body"}'));
    await delay(20);
    whole.resetAndDestroy();
    const found = async (): Promise<string[]> =>
      (await api.page(chats.fast, '?limit=5')).items.map(({ text }) => text!).filter((text) => /body/.test(text));
    while ((await found()).length === 0) await delay(10);
    expect(await found()).toEqual(['a whole body']);
  });
});
