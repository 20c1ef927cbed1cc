import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { untilWarm } from './until-warm.js';

/** What browsers are told by every answer. */
const EXPECTED: Readonly<Record<string, RegExp>> = {
  'x-content-type-options': /^nosniff$/,
  'content-security-policy': /default-src 'self'/,
  'x-frame-options': /^SAMEORIGIN$/,
  'referrer-policy': /^no-referrer$/,
  'cross-origin-resource-policy': /^same-origin$/,
};

/** What would tell an attacker what to look up. */
const TELLING = ['server', 'x-powered-by', 'via'];

/** The line of a stack, a path of the source, or the name of what failed. */
const STACK = /\n\s+at |node_modules|\.(js|ts):\d+|QueryFailedError|pg_|SQLSTATE/;

describe('every answer', () => {
  let running: TestInstance;
  let chatId: string;
  beforeAll(async () => {
    running = await startTestInstance({ CORS_ORIGINS: 'https://chat.example, https://other.example' });
    await untilWarm(running.api);
    ({ id: chatId } = await running.api.createChat({ participants: [{ userId: 'ann' }] }));
    await running.api.send(chatId, { senderId: 'ann', text: 'hello' });
    await running.api.page(chatId);
  });
  afterAll(() => running.close());

  const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(running.instance.url + path, init);
  const json = (method: string, body: string): RequestInit => ({
    method,
    body,
    headers: { 'content-type': 'application/json' },
  });

  const ANSWERS: readonly (readonly [string, number, () => Promise<Response>])[] = [
    ['of a cached page', 200, () => ask(`/v1/chats/${chatId}/messages`)],
    ['of the framework', 200, () => ask(`/v1/chats/${chatId}`)],
    [
      '304',
      304,
      async () => {
        const etag = (await ask(`/v1/chats/${chatId}`)).headers.get('etag')!;
        return ask(`/v1/chats/${chatId}/messages`, { headers: { 'if-none-match': etag } });
      },
    ],
    ['to a write', 201, () => ask(`/v1/chats/${chatId}/messages`, json('POST', '{"text":"hi","senderId":"ann"}'))],
    ['without a body', 204, () => ask(`/v1/admin/cache/chats/${chatId}`, { method: 'DELETE' })],
    ['to what is no JSON', 400, () => ask('/v1/chats', json('POST', '{'))],
    ['to an address that cannot be read', 400, () => ask('/v1/chats/%E0%A4%A')],
    ['to an unknown route', 404, () => ask('/nowhere')],
    ['to an unknown chat', 404, () => ask('/v1/chats/00000000-0000-4000-8000-000000000000')],
    [
      'to another media type',
      415,
      () => ask('/v1/chats', { method: 'POST', body: '<a/>', headers: { 'content-type': 'text/xml' } }),
    ],
    ['to a body that is too large', 413, () => ask('/v1/chats', json('POST', `"${'a'.repeat(70_000)}"`))],
    ['of the root', 200, () => ask('/')],
    ['of an explained problem', 200, () => ask('/problems/forbidden')],
    ['of a probe', 200, () => ask('/health/live')],
    ['of the metrics', 200, () => ask('/metrics')],
    ['of the documentation', 200, () => ask('/docs')],
    ['of the OpenAPI document', 200, () => ask('/openapi.json')],
  ];

  it.each(ANSWERS)('%s tells browsers to be careful, and nobody what it is made with', async (_of, status, get) => {
    const answer = await get();
    expect(answer.status).toBe(status);
    for (const [name, value] of Object.entries(EXPECTED))
      expect([name, answer.headers.get(name)]).toEqual([name, expect.stringMatching(value)]);
    for (const name of TELLING) expect([name, answer.headers.get(name)]).toEqual([name, null]);
    const body = await answer.text();
    if (status >= 400) expect(body).not.toMatch(STACK);
  });

  it('to what is not even HTTP is careful as well', async () => {
    const socket = connect(Number(new URL(running.instance.url).port), '127.0.0.1');
    socket.write('GARBAGE\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.toLowerCase()).toContain('\r\nx-content-type-options: nosniff\r\n');
    expect(answer.toLowerCase()).toContain('\r\ncontent-security-policy: ');
    expect(answer).not.toMatch(STACK);
  });

  it('may be read by pages of the origins that are set, and by no others', async () => {
    const allowed = async (origin: string, path = `/v1/chats/${chatId}/messages`): Promise<string | null> =>
      (await ask(path, { headers: { origin } })).headers.get('access-control-allow-origin');
    expect(await allowed('https://chat.example')).toBe('https://chat.example');
    expect(await allowed('https://other.example', '/v1/chats/none')).toBe('https://other.example');
    for (const origin of ['https://evil.example', 'null', 'https://chat.example.evil.example', 'http://chat.example']) {
      expect([origin, await allowed(origin)]).toEqual([origin, null]);
    }
    const preflight = await ask(`/v1/chats/${chatId}/messages`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://chat.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,min-chat-version',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
    const read = await ask(`/v1/chats/${chatId}/messages`, { headers: { origin: 'https://chat.example' } });
    expect(read.headers.get('access-control-expose-headers')).toContain('chat-version');
    expect(read.headers.get('vary')?.toLowerCase()).toContain('origin');
  });

  it('may be read by no page of another origin unless some are set', async () => {
    const other = await startTestInstance();
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await fetch(`${other.instance.url}/v1/admin/cache`, {
        method,
        headers: { origin: 'https://chat.example', 'access-control-request-method': 'GET' },
      });
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    await other.close();
  });

  it('of the documentation loads scripts and styles from here alone', async () => {
    const page = await (await ask('/docs')).text();
    const loaded = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address!);
    expect(loaded.length).toBeGreaterThan(3);
    expect(loaded.filter((address) => /^(https?:)?\/\//.test(address))).toEqual([]);
  });
});
