import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PageLane } from '../../src/chat/page-lane.js';
import { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { untilWarm } from './until-warm.js';

const KEY = 'a-service-key';

/** What an answer is made of, but for the time. */
interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

describe('requests that are answered before the framework sees them', () => {
  let running: TestInstance;
  let chatId: string;
  beforeAll(async () => {
    const digest = createHash('sha256').update(KEY).digest('hex');
    running = await startTestInstance({ AUTH_MODE: 'key', AUTH_KEYS: `test:${digest}` });
    const api = new ApiClient(running.instance.url, undefined, KEY);
    await untilWarm(running.api);
    ({ id: chatId } = await api.createChat({ participants: [{ userId: 'ann' }] }));
    for (let at = 1; at <= 150; at++) await api.send(chatId, { senderId: 'ann', text: `text ${at} 🦀` });
    await api.page(chatId, '?limit=200');
  });
  afterAll(() => running.close());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const see = async (path: string, headers: Record<string, string>, method = 'GET'): Promise<Seen> => {
    const answer = await fetch(running.instance.url + path, { method, headers });
    const { date: _date, ...rest } = Object.fromEntries(answer.headers);
    return { status: answer.status, headers: rest, body: await answer.text() };
  };
  /** Asks twice: as it is, and in a form that only the framework reads. @returns whether the first was answered at once. */
  const compare = async (query: string, more: Record<string, string> = {}, method = 'GET'): Promise<boolean> => {
    const headers = { authorization: `Bearer ${KEY}`, 'x-request-id': 'one-request', ...more };
    const lane = jest.spyOn(PageLane.prototype, 'take');
    const one = await see(`/v1/chats/${chatId}/messages${query}`, headers, method);
    const isAtOnce = lane.mock.results.at(-1)?.value === true;
    const other = await see(`/v1/chats/${chatId}/%6D%65ssages${query}`, headers, method);
    expect(lane.mock.results.at(-1)?.value).toBe(false);
    expect({ query, more, ...one }).toEqual({ query, more, ...other });
    return isAtOnce;
  };

  it.each([
    '',
    '?limit=1',
    '?limit=200',
    '?before=100',
    '?before=1',
    '?before=999999999',
    '?after=0&limit=7',
    '?after=150',
    '?around=75&limit=11',
    '?around=1',
    '?limit=10&after=100',
  ])('get the answer that the framework gives: %s', async (query) => {
    expect(await compare(query)).toBe(true);
  });

  it('may bring versions, tags and users', async () => {
    const { headers } = await see(`/v1/chats/${chatId}/messages`, { authorization: `Bearer ${KEY}` });
    const version = headers['chat-version']!;
    const etag = headers['etag']!;
    expect(await compare('', { 'min-chat-version': version })).toBe(true);
    expect(await compare('', { 'if-none-match': etag })).toBe(true);
    expect(await compare('', { 'if-none-match': `"x", W/${etag}` })).toBe(true);
    expect(await compare('', { 'if-none-match': '"v1"' })).toBe(true);
    expect(await compare('', { 'x-user-id': 'ann' })).toBe(true);
    expect(
      (await see(`/v1/chats/${chatId}/messages`, { authorization: `Bearer ${KEY}`, 'if-none-match': etag })).status,
    ).toBe(304);
  });

  it.each([
    ['?limit=0', {}],
    ['?limit=201', {}],
    ['?limit=05', {}],
    ['?before=0', {}],
    ['?before=3&after=3', {}],
    ['?before=1&before=2', {}],
    ['?unknown=1', {}],
    ['?limit', {}],
    ['?around=firstUnread', {}],
    ['?around=firstUnread', { 'x-user-id': 'ann' }],
    ['', { 'min-chat-version': 'x' }],
    ['', { 'min-chat-version': '-1' }],
    ['', { 'x-user-id': '\u00ff' }],
    ['', { 'x-user-id': 'a b' }],
    ['', { 'x-user-id': 'x'.repeat(200) }],
    ['', { authorization: '' }],
    ['', { authorization: 'Bearer wrong' }],
    ['', { authorization: `Basic ${KEY}` }],
  ])('leave to the framework what is not ordinary: %s %j', async (query, headers) => {
    expect(await compare(query, headers)).toBe(false);
  });

  it('are GET requests alone', async () => {
    expect(await compare('', {}, 'HEAD')).toBe(false);
    expect(await compare('', {}, 'DELETE')).toBe(false);
  });

  it('are counted like the others', async () => {
    const count = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${KEY}` };
      const text = await (await fetch(`${running.instance.url}/metrics`, { headers })).text();
      const route = 'method="GET",route="/v1/chats/:chatId/messages",status="200"';
      return Number(text.split(`scrollback_http_request_duration_seconds_count{${route}} `)[1]?.split('\n')[0]);
    };
    const before = await count();
    expect(before).toBeGreaterThan(0);
    expect(await compare('?limit=3')).toBe(true);
    expect(await count()).toBe(before + 2);
  });
});
