import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

describe('a first conversation', () => {
  let running: TestInstance;
  beforeAll(async () => {
    running = await startTestInstance();
  });
  afterAll(() => running.close());

  it('is stored, read from the cache, and counted as unread', async () => {
    const { api } = running;
    const chat = await api.createChat({ title: 'Lunch', participants: [{ userId: 'alice' }, { userId: 'bob' }] });
    const sent = await api.as('alice').send(chat.id, { text: 'Pizza? 🍕' });
    expect(sent).toMatchObject({ seq: 1, senderId: 'alice', text: 'Pizza? 🍕' });

    const first = await api.get(`/v1/chats/${chat.id}/messages`);
    expect(first.headers.get('cache-status')).toBe('scrollback; hit');
    expect(first.headers.get('chat-version')).toBe('2');
    expect(first.body).toEqual({ chatId: chat.id, items: [sent], hasOlder: false, hasNewer: false, version: 2 });
    const again = await api.get(`/v1/chats/${chat.id}/messages`, { 'if-none-match': first.headers.get('etag')! });
    expect(again.status).toBe(304);

    expect((await api.inbox('bob')).items[0]).toMatchObject({ unread: 1, lastReadSeq: 0, lastMessage: sent });
    expect((await api.inbox('alice')).items[0]).toMatchObject({ unread: 0 });
  });
});
