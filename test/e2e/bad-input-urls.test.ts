import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectProblem, expectRefused, rowCounts } from './expect-answer.js';

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';

/** Every route with a chat or user in its path: a body that is right for it, where it takes one. */
const ROUTES: readonly (readonly [method: string, path: string, body: object | undefined])[] = [
  ['GET', '/v1/chats/{chatId}', undefined],
  ['PATCH', '/v1/chats/{chatId}', { title: 'x' }],
  ['DELETE', '/v1/chats/{chatId}', undefined],
  ['GET', '/v1/chats/{chatId}/participants', undefined],
  ['PUT', '/v1/chats/{chatId}/participants/{userId}', {}],
  ['DELETE', '/v1/chats/{chatId}/participants/{userId}', undefined],
  ['GET', '/v1/chats/{chatId}/messages', undefined],
  ['POST', '/v1/chats/{chatId}/messages', { text: 'x' }],
  ['GET', '/v1/chats/{chatId}/messages/{seq}', undefined],
  ['PATCH', '/v1/chats/{chatId}/messages/{seq}', { text: 'x' }],
  ['DELETE', '/v1/chats/{chatId}/messages/{seq}', undefined],
  ['PUT', '/v1/chats/{chatId}/messages/{seq}/reactions/{emoji}', undefined],
  ['DELETE', '/v1/chats/{chatId}/messages/{seq}/reactions/{emoji}', undefined],
  ['PUT', '/v1/chats/{chatId}/read', { seq: 1 }],
  ['GET', '/v1/chats/{chatId}/changes?since=0', undefined],
  ['GET', '/v1/users/{userId}/chats', undefined],
];

const GOOD: Readonly<Record<string, string>> = { chatId: '{id}', userId: 'ann', seq: '1', emoji: 'ok' };

/** What each parameter of a path may not be, as it stands in the URL. */
const BAD: Readonly<Record<string, readonly string[]>> = {
  chatId: [
    'x',
    '1',
    '{id}x',
    '%7B{id}%7D',
    ID.replace('01', 'zz'),
    ID.replaceAll('-', ''),
    '%00',
    '{id}%00',
    '{id}%20',
    '🦀',
    'x'.repeat(1000),
  ],
  userId: ['%00', 'a%00b', 'a%0Ab', '%7F', '%C2%85', 'x'.repeat(129), '%F0%9F%A6%80'.repeat(129)],
  seq: [
    '0',
    '-1',
    '1.5',
    '1e3',
    'x',
    '01',
    '+1',
    '%201',
    '9007199254740992',
    '99999999999999999999',
    '1%00',
    '0x1',
    '١',
    'null',
  ],
  emoji: ['%00', 'a%0Ab', 'x'.repeat(65), '%F0%9F%A6%80'.repeat(65)],
};

/** Not even percent-encoded UTF-8. */
const BROKEN = ['%', '%z', '%zz', '%f', '%FF', '%C3', '%C3%28', '%ED%A0%80', '%C0%80', '%F4%90%80%80'];

const fill = (path: string, values: Readonly<Record<string, string>>): string =>
  path.replace(/\{(chatId|userId|seq|emoji)\}/g, (_match, name: string) => values[name]!);

const LIMITS = [
  '0',
  '-1',
  '201',
  '1.5',
  '1e2',
  'x',
  '',
  '05',
  '%2010',
  '+5',
  '9007199254740993',
  '%00',
  '10%00',
  'NaN',
  'Infinity',
];
const SEQS = [
  '-1',
  '1.5',
  '1e2',
  'x',
  '',
  '007',
  '%2010',
  '9007199254740992',
  '99999999999999999999999',
  '%00',
  'null',
];

const CHAT = '/v1/chats/{id}';
const QUERIES: readonly (readonly [path: string, query: string, ...fields: string[]])[] = [
  ...['participants', 'messages', 'changes'].flatMap((list) => {
    const since = list === 'changes' ? 'since=0&' : '';
    return [
      ...LIMITS.map((limit) => [`${CHAT}/${list}`, `${since}limit=${limit}`, 'limit'] as const),
      [`${CHAT}/${list}`, `${since}limit=5&limit=5`, 'limit'] as const,
      [`${CHAT}/${list}`, `${since}limit[]=5`, 'limit[]'] as const,
      [`${CHAT}/${list}`, `${since}Limit=5`, 'Limit'] as const,
    ];
  }),
  ...LIMITS.map((limit) => ['/v1/users/ann/chats', `limit=${limit}`, 'limit'] as const),
  ...['before', 'around'].flatMap((name) =>
    [...SEQS, '0'].map((seq) => [`${CHAT}/messages`, `${name}=${seq}`, name] as const),
  ),
  ...SEQS.map((seq) => [`${CHAT}/messages`, `after=${seq}`, 'after'] as const),
  ...SEQS.map((seq) => [`${CHAT}/changes`, `since=${seq}`, 'since'] as const),
  [`${CHAT}/changes`, '', 'since'],
  [`${CHAT}/changes`, 'since=0&since=0', 'since'],
  [`${CHAT}/messages`, 'around=lastUnread', 'around'],
  [`${CHAT}/messages`, 'around=firstUnread&around=firstUnread', 'around'],
  [`${CHAT}/messages`, 'before=1&before=2', 'before'],
  [`${CHAT}/messages`, 'before=1&after=2', 'before'],
  [`${CHAT}/messages`, 'after=1&around=2', 'before'],
  [`${CHAT}/messages`, 'unknown=1', 'unknown'],
  ...['', '%00', 'a%0Ab', 'x'.repeat(129)].map((after) => [`${CHAT}/participants`, `after=${after}`, 'after'] as const),
  [`${CHAT}/participants`, 'after=a&after=b', 'after'],
  ...['x', '%00', '', '[]', 'cursor=1&cursor=2'.slice(7)].map(
    (cursor) => ['/v1/users/ann/chats', `cursor=${cursor}`, 'cursor'] as const,
  ),
  ['/v1/users/ann/chats', 'offset=5', 'offset'],
];

describe('bad addresses are refused and leave nothing behind', () => {
  let running: TestInstance;
  let api: ApiClient;
  let chatId: string;
  let before: Record<string, unknown> | undefined;
  beforeAll(async () => {
    running = await startTestInstance();
    api = running.api.as('ann');
  });
  beforeEach(async () => {
    // A chat that a request has changed is of no use to the next test.
    if (isDeepStrictEqual(before, (before = await rowCounts(running.database)))) return;
    chatId = (await running.api.createChat({ participants: [{ userId: 'ann' }] })).id;
    await api.send(chatId, { text: 'one' });
    before = await rowCounts(running.database);
  });
  afterEach(async () => {
    expect(await rowCounts(running.database)).toEqual(before);
    expect((await api.page(chatId)).items).toMatchObject([{ text: 'one' }]);
  });
  afterAll(() => running.close());
  const url = (path: string): string => path.replaceAll('{id}', chatId);

  describe.each(ROUTES)('%s %s', (method, path, body) => {
    const parameters = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);

    it.each(parameters.flatMap((name) => BAD[name]!.map((value) => ({ name, value }))))(
      'with the $name $value',
      async ({ name, value }) => {
        const answer = await api.request(method, url(fill(path, { ...GOOD, [name]: value })), body);
        expectProblem(answer, 400, 'invalid_input', [name]);
      },
    );

    it.each(parameters)('with a %s that is no percent-encoded UTF-8', async (name) => {
      for (const value of BROKEN) {
        const answer = await api.request(method, url(fill(path, { ...GOOD, [name]: value })), body);
        expectProblem(answer, 400, 'invalid_input', ['path']);
      }
    });

    it.each(parameters)('with a %s of 1700 and 12000 characters', async (name) => {
      for (const length of [1700, 12_000]) {
        const target = url(fill(path, { ...GOOD, [name]: 'x'.repeat(length) }));
        expectRefused(await api.request(method, target, body), 400, 'invalid_input');
      }
    });

    it.each(['extra=1', 'toString=1', '__proto__=1', 'constructor=1', '%00=1', '=1', '🦀'])(
      'with the query %s',
      async (query) => {
        const target = `${url(fill(path, GOOD))}${path.includes('?') ? '&' : '?'}${query}`;
        expectRefused(await api.request(method, target, body), 400, 'invalid_input');
      },
    );

    it.each(['', 'x'.repeat(129), 'a\tb', '\xff', '\xed\xa0\x80', '\xc2\x85'])(
      'with the X-User-Id %j',
      async (userId) => {
        const answer = await running.api.request(method, url(fill(path, GOOD)), body, { 'x-user-id': userId });
        expectProblem(answer, 400, 'invalid_input', ['X-User-Id']);
      },
    );
  });

  it.each(['extra=1', '__proto__=1', 'constructor=1'])('POST with the query %s', async (query) => {
    for (const [path, body] of [['/v1/chats', {}] as const, ['/v1/messages/latest', { chatIds: [chatId] }] as const]) {
      expectRefused(await api.post(`${path}?${query}`, body), 400, 'invalid_input');
    }
  });

  it('without repeating a long one in the answer', async () => {
    const answer = await api.get(`/v1/users/${'x'.repeat(12_000)}/chats`);
    expect(expectRefused(answer, 400, 'invalid_input').detail.length).toBeLessThan(1000);
  });

  it.each(QUERIES)('GET %s?%s', async (path, query, ...fields) => {
    expectProblem(await running.api.get(`${url(path)}?${query}`), 400, 'invalid_input', fields);
  });

  it.each(['after=%zz', 'after=%', 'after=%FF', 'after=%C3%28', 'after=%ED%A0%80'])(
    'GET participants?%s',
    async (query) => {
      const answer = await running.api.get(`/v1/chats/${chatId}/participants?${query}`);
      expect({ status: answer.status, body: answer.body }).toMatchObject({
        status: 400,
        body: { code: 'invalid_input' },
      });
    },
  );

  it.each(['', 'x'.repeat(129), '🦀'.repeat(129), 'a\tb', '""', '\xc2\x85'])(
    'POST messages with the Idempotency-Key %j',
    async (key) => {
      const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') };
      const answer = await api.post(`/v1/chats/${chatId}/messages`, { text: 'x' }, headers);
      expectProblem(answer, 400, 'invalid_input', ['Idempotency-Key']);
    },
  );

  it.each([
    ['POST', '/'],
    ['GET', '/problems'],
    ['GET', '/v1'],
    ['GET', '/v1/chats'],
    ['PUT', '/v1/chats'],
    ['GET', '/v1/users/ann'],
    ['GET', '/v1/users//chats'],
    ['PUT', `/v1/chats/${ID}/participants/`],
    ['POST', `/v1/chats/${ID}`],
    ['GET', '/v1/messages/latest'],
    ['GET', '/V1/chats'],
    ['PROPFIND', `/v1/chats/${ID}`],
  ])('%s %s, which is no route', async (method, path) => {
    expectProblem(await running.api.request(method, path), 404, 'route_not_found');
  });

  describe('that HTTP itself refuses', () => {
    const send = async (request: string): Promise<{ status: number; type: string | undefined; body: string }> => {
      const { hostname, port } = new URL(running.api.url);
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      socket.write(Buffer.from(request, 'latin1'));
      const [head, body] = (await text(socket)).split('\r\n\r\n', 2);
      return { status: Number(head!.split(' ')[1]), type: /^content-type: ([^;\r]*)/im.exec(head!)?.[1], body: body! };
    };

    it.each([
      ['an address of 20000 characters', `GET /v1/users/${'x'.repeat(20_000)}/chats HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
      [
        'headers of 20000 characters',
        `GET /v1/users/x/chats HTTP/1.1\r\nhost: x\r\nx-user-id: ${'x'.repeat(20_000)}\r\n\r\n`,
        431,
      ],
      ['bytes beyond ASCII in the address', 'GET /v1/users/\xff\xfe/chats HTTP/1.1\r\nhost: x\r\n\r\n', 400],
      ['a header without a colon', 'GET /v1/users/x/chats HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n', 400],
      ['a length that is no number', 'POST /v1/chats HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n{}', 400],
    ])('%s is a problem too', async (_name, request, status) => {
      const answer = await send(request);
      expect(answer).toMatchObject({ status, type: 'application/problem+json' });
      expect(JSON.parse(answer.body)).toMatchObject({ status });
    });
  });
});
