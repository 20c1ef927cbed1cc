import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

describe('every answer carries the id of its request', () => {
  let running: TestInstance;
  let chatId: string;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ id: chatId } = await running.api.createChat({ participants: [{ userId: 'ann' }] }));
  });
  afterAll(() => running.close());

  it.each([
    ['a page', 200, (id: string) => `/v1/chats/${id}/messages`],
    ['the same page from memory', 200, (id: string) => `/v1/chats/${id}/messages`],
    ['an input error', 400, (id: string) => `/v1/chats/${id}/messages?limit=x`],
    ['an address that is not percent-encoded', 400, () => '/v1/chats/%zz'],
    ['an unknown route', 404, () => '/nowhere'],
  ])('%s', async (_name, status, path) => {
    const url = running.instance.url + path(chatId);
    const brought = await fetch(url, { headers: { 'x-request-id': 'from-outside' } });
    expect([brought.status, brought.headers.get('x-request-id')]).toEqual([status, 'from-outside']);
    const anew = await fetch(url, { headers: { 'x-request-id': 'two words' } });
    expect([anew.status, anew.headers.get('x-request-id')]).toEqual([
      status,
      expect.stringMatching(/^[0-9a-f]{16}-\d+$/),
    ]);
  });

  it('bytes that are not an HTTP request', async () => {
    const socket = connect(Number(new URL(running.instance.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('nonsense\r\n\r\n');
    expect(await text(socket)).toMatch(/\r\nX-Request-Id: [0-9a-f]{16}-\d+\r\n/);
  });
});
