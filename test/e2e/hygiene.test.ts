import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
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

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** The line of a stack, a path of the source, or the name of what failed. */
const STACK = /\n\s+at |node_modules|\.(js|ts):\d+|QueryFailedError|pg_|SQLSTATE/;

describe('every answer', () => {
  let running: TestInstance;
  let chatId: string;
  beforeAll(async () => {
    running = await startTestInstance({
      CORS_ORIGINS: 'https://chat.example, https://other.example',
      METRICS_PORT: '0',
    });
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

  const HOST = 'Host: x\r\n';
  const PREFLIGHT = 'Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n';
  const RAW: readonly (readonly [string, number, string])[] = [
    ['what is not even HTTP', 400, 'GARBAGE\r\n\r\n'],
    ['what names no host', 400, 'GET /health/live HTTP/1.1\r\n\r\n'],
    ['what names no host and expects something', 400, 'GET /health/live HTTP/1.1\r\nExpect: wonders\r\n\r\n'],
    ['HTTP/1.0, which names no host', 200, 'GET /health/live HTTP/1.0\r\n\r\n'],
    ['what expects something', 417, `GET /health/live HTTP/1.1\r\n${HOST}Expect: wonders\r\n\r\n`],
    ['headers that are too large', 431, `GET / HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['an address that is none', 400, `GET nowhere HTTP/1.1\r\n${HOST}\r\n`],
  ];
  const RAW_OF_API: typeof RAW = [
    ['a method that nobody knows', 404, `PROPFIND /v1/chats HTTP/1.1\r\n${HOST}\r\n`],
    ['a question for a page of an allowed origin', 204, `OPTIONS /v1/chats HTTP/1.1\r\n${HOST}${PREFLIGHT}\r\n`],
    ['a question for a page of another', 204, `OPTIONS / HTTP/1.1\r\n${HOST}${PREFLIGHT.replace('chat', 'a')}\r\n`],
    ['a question for no page', 204, `OPTIONS /v1/chats HTTP/1.1\r\n${HOST}\r\n`],
    ['a question for all', 204, `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
  ];
  const RAW_OF_OPERATORS: typeof RAW = [
    ['what is not there', 404, `GET /v1/chats HTTP/1.1\r\n${HOST}\r\n`],
    ['who wants to change something', 405, `POST /metrics HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`],
    ['a scrape', 200, `GET /metrics HTTP/1.1\r\n${HOST}\r\n`],
  ];
  it.each([
    ...[...RAW, ...RAW_OF_API].map(([to, status, bytes]) => ['', to, status, bytes] as const),
    ...[...RAW, ...RAW_OF_OPERATORS].map(
      ([to, status, bytes]) => ['of the operators’ port ', to, status, bytes] as const,
    ),
  ])('%sto %s is careful as well, and says what is wrong as a problem', async (port, _to, status, bytes) => {
    const api = Number(new URL(running.instance.url).port);
    const socket = connect(port === '' ? api : running.instance.operationsPort!, '127.0.0.1');
    socket.write(bytes.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    const [head, body] = (await text(socket)).split(/\r\n\r\n([^]*)/) as [string, string];
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const headers = new Map(
      [...head.matchAll(/^([^:\r\n]+): (.*?)\r?$/gm)].map(([, name, value]) => [name!.toLowerCase(), value!]),
    );
    for (const [name, value] of Object.entries({ ...EXPECTED, 'x-request-id': /./ }))
      expect([name, headers.get(name)]).toEqual([name, expect.stringMatching(value)]);
    for (const name of TELLING) expect([name, headers.get(name)]).toEqual([name, undefined]);
    if (status >= 400) {
      expect(headers.get('content-type')).toBe(PROBLEM_TYPE);
      expect(JSON.parse(body)).toMatchObject({ status, code: expect.any(String), detail: expect.any(String) });
      expect(body).not.toMatch(STACK);
    }
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

  it('of the documentation is all that is served of what it is made with', async () => {
    const page = await (await ask('/docs/')).text();
    const loaded = [...page.matchAll(/(?:src|href)=["']([^"'#]+)["']/g)].map(([, address]) => address!);
    expect(loaded).toContain('./swagger-ui-init.js');
    for (const address of loaded) {
      const answer = await ask(`/docs/${address}`);
      expect([address, answer.status]).toEqual([address, 200]);
      expect(await answer.text()).not.toContain('petstore');
    }
    const others = [...readdirSync('node_modules/swagger-ui-dist'), 'docs/swagger-ui-init.js', '%70ackage.json'].filter(
      (name) => name !== 'index.html' && !loaded.includes(`./${name}`),
    );
    expect(others).toEqual(expect.arrayContaining(['swagger-initializer.js', 'package.json', 'swagger-ui.css.map']));
    for (const name of others) {
      const answer = await ask(`/docs/${name}`);
      expect([name, answer.status, answer.headers.get('content-type')]).toEqual([name, 404, PROBLEM_TYPE]);
      expect(await answer.json()).toMatchObject({ code: 'route_not_found' });
    }
  });

  it.each([
    [412, 'precondition_failed', { 'if-match': '"x"' }],
    [416, 'range_not_satisfiable', { range: 'bytes=99999999-' }],
  ])(
    'of a file that refuses what is asked of it is a problem, %i, and no fault of ours',
    async (status, code, headers) => {
      const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
      const answer = await ask('/docs/swagger-ui.css', { headers });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([status, PROBLEM_TYPE]);
      expect(await answer.json()).toMatchObject({ status, code });
      expect(logged).not.toHaveBeenCalled();
      logged.mockRestore();
    },
  );
});
