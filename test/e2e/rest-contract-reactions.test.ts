import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WireChat, WireMessage } from '../../src/cache/wire-types.js';
import { messageSchema } from '../../src/chat/wire-schemas.js';
import type { ApiAnswer, ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, expectShape } from './expect-answer.js';

describe('reactions over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  let chat: WireChat;
  let path: string;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  beforeEach(async () => {
    chat = await api.createChat({ participants: [{ userId: 'ann' }] });
    path = `/v1/chats/${chat.id}/messages`;
    await api.send(chat.id, { text: 'hi', senderId: 'ann' });
  });
  afterAll(() => running.close());

  const emojiPath = (emoji: string, seq = 1): string => `${path}/${seq}/reactions/${encodeURIComponent(emoji)}`;
  const react = (userId: string, emoji: string): Promise<ApiAnswer<unknown>> => api.as(userId).put(emojiPath(emoji));
  const unreact = (userId: string, emoji: string): Promise<ApiAnswer<unknown>> =>
    api.as(userId).delete(emojiPath(emoji));
  const readReactions = async (): Promise<WireMessage['reactions']> => {
    const message = await bodyOf(api.get<WireMessage>(`${path}/1`), 200);
    expectShape(messageSchema, message);
    expect((await api.page(chat.id)).items).toEqual([message]);
    return message.reactions;
  };

  it('are put and taken away with 204 as often as one likes, and counted once', async () => {
    for (const version of ['3', '3']) {
      const answer = await react('ann', '👍');
      expect(answer).toMatchObject({ status: 204, body: '' });
      expect(answer.headers.get('chat-version')).toBe(version);
      expect(await readReactions()).toEqual([{ emoji: '👍', count: 1, userIds: ['ann'] }]);
    }
    for (const version of ['4', '4']) {
      const answer = await unreact('ann', '👍');
      expect(answer).toMatchObject({ status: 204, body: '' });
      expect(answer.headers.get('chat-version')).toBe(version);
      expect(await readReactions()).toBeUndefined();
    }
  });

  it('are summed up by emoji, in the order in which each came first', async () => {
    for (const [userId, emoji] of [
      ['ann', '👍'],
      ['ben', '❤️'],
      ['cat', '👍'],
      ['ann', '❤️'],
      ['ann', ':ok:'],
    ] as const) {
      await react(userId, emoji);
    }
    expect(await readReactions()).toEqual([
      { emoji: '👍', count: 2, userIds: ['ann', 'cat'] },
      { emoji: '❤️', count: 2, userIds: ['ben', 'ann'] },
      { emoji: ':ok:', count: 1, userIds: ['ann'] },
    ]);
    await unreact('ben', '❤️');
    expect((await readReactions())?.find(({ emoji }) => emoji === '❤️')).toEqual({
      emoji: '❤️',
      count: 1,
      userIds: ['ann'],
    });
  });

  it('name the first 20 of 25 users', async () => {
    const userIds = Array.from({ length: 25 }, (_unused, at) => `user ${String(at).padStart(2, '0')}`);
    for (const userId of userIds) await react(userId, '👍');
    expect(await readReactions()).toEqual([{ emoji: '👍', count: 25, userIds: userIds.slice(0, 20) }]);
    await unreact('user 00', '👍');
    expect(await readReactions()).toEqual([{ emoji: '👍', count: 24, userIds: userIds.slice(1, 21) }]);
    await unreact('user 24', '👍');
    expect(await readReactions()).toEqual([{ emoji: '👍', count: 23, userIds: userIds.slice(1, 21) }]);
  });

  it('are all there when 40 users react at once', async () => {
    const userIds = Array.from({ length: 40 }, (_unused, at) => `user ${at}`);
    await Promise.all(userIds.map((userId) => react(userId, '👍')));
    const reactions = await readReactions();
    expect(reactions).toMatchObject([{ emoji: '👍', count: 40 }]);
    expect(new Set(reactions?.[0]?.userIds).size).toBe(20);
    expect((await api.page(chat.id)).version).toBe(42);
  });

  it('are of at most 100 different emoji on a message, of which all can go on to be put', async () => {
    const attempts = Array.from({ length: 101 }, (_unused, at) => react(at % 2 === 0 ? 'ann' : 'ben', `emoji ${at}`));
    const answers = await Promise.all(attempts);
    const [refused, ...others] = answers.filter(({ status }) => status !== 204);
    expectProblem(refused!, 422, 'too_many_reactions', ['emoji']);
    expect(others).toEqual([]);
    const [first, ...rest] = (await readReactions())!;
    expect(rest).toHaveLength(99);
    expect((await react('cat', first!.emoji)).status).toBe(204);
    expect((await unreact(rest[0]!.userIds[0]!, rest[0]!.emoji)).status).toBe(204);
    expect((await react('cat', 'in its place')).status).toBe(204);
    expectProblem(await react('cat', 'one more'), 422, 'too_many_reactions', ['emoji']);
  });

  it('that somebody puts by SQL are not bounded', async () => {
    await running.database.query(
      `INSERT INTO reaction (chat_id, seq, user_id, emoji)
       SELECT $1, 1, 'ann', 'emoji ' || n FROM generate_series(1, 120) n`,
      [chat.id],
    );
    expectProblem(await react('ann', 'one more'), 422, 'too_many_reactions', ['emoji']);
    expect((await react('ben', 'emoji 120')).status).toBe(204);
    expect(await readReactions()).toHaveLength(120);
  });

  it('are the same on an instance that reads them from the database', async () => {
    for (const [userId, emoji] of [
      ['zoe', '🎉'],
      ['ann', '👍'],
      ['ben', '🎉'],
      ['ann', '🎉'],
    ] as const)
      await react(userId, emoji);
    const reactions = await readReactions();
    const other = await startTestInstance({}, running.database);
    try {
      const message = await bodyOf(other.api.get<WireMessage>(`${path}/1`), 200);
      expect(message.reactions).toEqual(reactions);
    } finally {
      await other.close();
    }
  });

  it.each([
    ...['👨‍👩‍👧‍👦', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '1️⃣', 'party_parrot', '/', '?', '#', '%', ' ', '+', '\ufeff', 'é', 'e\u0301'],
    ...['x'.repeat(64), '🦀'.repeat(64), '__proto__'],
  ])('may be %j', async (emoji) => {
    expect((await react('ann', emoji)).status).toBe(204);
    expect(await readReactions()).toEqual([{ emoji, count: 1, userIds: ['ann'] }]);
    expect((await unreact('ann', emoji)).status).toBe(204);
    expect(await readReactions()).toBeUndefined();
  });

  it('do not count as an edit and do not make a message unread', async () => {
    await api.as('ann').put(`/v1/chats/${chat.id}/read`, { seq: 1 });
    await react('ben', '👍');
    expect(await bodyOf(api.get(`${path}/1`), 200)).not.toHaveProperty('editedAt');
    expect((await api.inbox('ann')).items[0]).toMatchObject({ unread: 0 });
  });

  it('need a user, and a message that is there', async () => {
    expectProblem(await api.put(emojiPath('👍')), 400, 'invalid_input', ['X-User-Id']);
    expectProblem(await api.delete(emojiPath('👍')), 400, 'invalid_input', ['X-User-Id']);
    expectProblem(await api.as('ann').put(emojiPath('👍', 2)), 404, 'message_not_found');
    await react('ann', '👍');
    await api.delete(`${path}/1`);
    expectProblem(await react('ben', '👍'), 409, 'message_deleted');
    expect((await unreact('ann', '👍')).status).toBe(204);
    expect(await running.database.query('SELECT FROM reaction WHERE chat_id = $1', [chat.id])).toHaveLength(0);
  });
});
