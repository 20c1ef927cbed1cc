import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { BAD_BODIES, BAD_FIELDS, BODY_ROUTES, type BadRequest } from './bad-requests.js';
import { expectProblem, expectRefused, rowCounts } from './expect-answer.js';

describe('bad bodies are refused and leave nothing behind', () => {
  let running: TestInstance;
  let chatId: string;
  let before: Record<string, unknown> | undefined;
  beforeAll(async () => {
    running = await startTestInstance();
  });
  beforeEach(async () => {
    const { api, database } = running;
    // A chat that a request has changed is of no use to the next test.
    if (isDeepStrictEqual(before, (before = await rowCounts(database)))) return;
    chatId = (await api.createChat({ participants: [{ userId: 'ann' }] })).id;
    for (const text of ['one', 'two']) await api.as('ann').send(chatId, { text });
    before = await rowCounts(database);
  });
  afterEach(async () => {
    expect(await rowCounts(running.database)).toEqual(before);
    expect((await running.api.page(chatId)).items).toMatchObject([{ text: 'one' }, { text: 'two' }]);
  });
  afterAll(() => running.close());

  const withChat = (body: unknown): unknown => {
    if (body instanceof Uint8Array) return body;
    const json = typeof body === 'string' ? body : JSON.stringify(body);
    return json.replaceAll('{chat}', chatId);
  };
  const refuse = async (bad: BadRequest): Promise<void> => {
    const path = bad.path.replace('{chat}', chatId);
    const answer = await running.api.as('ann').request(bad.method, path, withChat(bad.body), { ...bad.headers });
    if (bad.fields === undefined) expectRefused(answer, bad.status ?? 400, bad.code ?? 'invalid_input');
    else expectProblem(answer, bad.status ?? 400, bad.code ?? 'invalid_input', bad.fields);
  };

  describe.each(BODY_ROUTES)('by $method $path', ({ method, path, good }) => {
    it.each(BAD_BODIES)('$name', async ({ of, ...bad }) => {
      await refuse({ ...bad, method, path, body: of(good) });
    });
  });

  // Who adds a participant need not say anything of them.
  it.each(BODY_ROUTES.filter(({ path }) => !path.endsWith('/participants/new')))(
    'nothing at all by $method $path',
    async ({ method, path }) => {
      const api = running.api.as('ann');
      const url = path.replace('{chat}', chatId);
      expectProblem(await api.request(method, url), 400, 'invalid_input', ['body']);
      const empty = await api.request(method, url, '', { 'content-type': 'application/json' });
      expectProblem(empty, 400, 'invalid_input', ['body']);
    },
  );

  it.each(BAD_FIELDS)('$method $path with $name', (bad) => refuse(bad));

  it.each([
    ['DELETE', ''],
    ['DELETE', '/participants/ann'],
    ['DELETE', '/messages/1'],
    ['PUT', '/messages/1/reactions/ok'],
    ['DELETE', '/messages/1/reactions/ok'],
  ])('unknown fields by %s /v1/chats/{chat}%s, which takes none', async (method, path) => {
    const answer = await running.api.as('ann').request(method, `/v1/chats/${chatId}${path}`, { extra: 1 });
    expectProblem(answer, 400, 'invalid_input', ['extra']);
  });
});
