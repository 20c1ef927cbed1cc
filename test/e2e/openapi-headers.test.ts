import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiClient, type ApiAnswer } from '../support/api-client.js';
import { headerFaults, operationsOf, TELLING_HEADERS, type OpenApi, type Operation } from '../support/openapi.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const KEY = 'the-key-of-a-service';
const RATE_HEADERS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'];
const CHAT = '/v1/chats/{chatId}';

describe('the headers of answers in the OpenAPI document', () => {
  let running: TestInstance;
  let api: ApiClient;
  let chatId: string;
  let operations: Map<string, Operation>;
  beforeAll(async () => {
    const digest = createHash('sha256').update(KEY).digest('hex');
    running = await startTestInstance({ AUTH_MODE: 'key', AUTH_KEYS: `backend:${digest}`, RATE_LIMIT_MAX: '100' });
    api = new ApiClient(running.api.url, 'ann', KEY);
    operations = operationsOf((await api.get<OpenApi>('/openapi.json')).body);
    ({ id: chatId } = await api.createChat());
    await api.send(chatId, { text: 'hello' });
  });
  afterAll(() => running.close());

  /** Holds an answer to its description, and gives the names of the headers that it has. */
  const headersOf = (route: string, answer: ApiAnswer<unknown>, status: number): string[] => {
    expect({ route, status: answer.status }).toEqual({ route, status });
    const described = operations.get(route)!.responses[String(status)]!;
    expect({ route, status, faults: headerFaults(described, answer.headers) }).toEqual({ route, status, faults: [] });
    return TELLING_HEADERS.filter((name) => answer.headers.has(name));
  };

  it('have a text each, and name the request in every answer', () => {
    for (const [route, { responses }] of operations) {
      for (const [status, { headers = {} }] of Object.entries(responses)) {
        expect({ route, status, names: Object.keys(headers) }).toMatchObject({
          names: expect.arrayContaining(['X-Request-Id']),
        });
        for (const { description } of Object.values(headers)) expect(description).not.toBe('');
      }
    }
  });

  it.each(['', '/messages', '/messages/1', '/messages/1/edits', '/participants', '/changes?since=0'])(
    'are those of a chat that is read, and of one that is not modified: %s',
    async (path) => {
      const route = `GET ${CHAT}${path.replace('/1', '/{seq}').replace(/\?.*/, '')}`;
      const expected = ['Chat-Version', 'ETag', 'Cache-Status', 'X-Request-Id', ...RATE_HEADERS];
      const url = `/v1/chats/${chatId}${path}`;
      expect(headersOf(route, await api.get(url), 200)).toEqual(expected);
      expect(headersOf(route, await api.get(url, { 'if-none-match': '*' }), 304)).toEqual(expected);
    },
  );

  it('tell where a message is, and whether it was there before', async () => {
    const send = (): Promise<ApiAnswer<unknown>> =>
      api.post(`/v1/chats/${chatId}/messages`, { text: 'once', clientId: 'once' });
    const common = ['Location', 'X-Request-Id', ...RATE_HEADERS];
    expect(headersOf(`POST ${CHAT}/messages`, await send(), 201)).toEqual(['Chat-Version', 'ETag', ...common]);
    const again = headersOf(`POST ${CHAT}/messages`, await send(), 200);
    expect(again).toEqual(['Chat-Version', 'ETag', 'Idempotency-Replayed', ...common]);
  });

  it('tell when to try again, and how to say who calls', async () => {
    const route = `GET ${CHAT}`;
    const url = `/v1/chats/${chatId}`;
    const notReached = await api.get(url, { 'min-chat-version': '9999' });
    expect(headersOf(route, notReached, 503)).toEqual(['Retry-After', 'X-Request-Id', ...RATE_HEADERS]);
    const stranger = await new ApiClient(running.api.url, undefined, 'no key').get(url);
    expect(headersOf(route, stranger, 401)).toEqual(['X-Request-Id', 'WWW-Authenticate']);
    const greedy = new ApiClient(running.api.url, 'greedy', KEY);
    const answers = await Promise.all(Array.from({ length: 500 }, () => greedy.get(url)));
    const limited = answers.find(({ status }) => status === 429)!;
    expect(headersOf(route, limited, 429)).toEqual(['Retry-After', 'X-Request-Id', ...RATE_HEADERS]);
  });
});
