import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WireChat, WireParticipant, WireParticipants } from '../../src/cache/wire-types.js';
import { participantSchema, participantsSchema, readStateSchema } from '../../src/chat/wire-schemas.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, expectShape, headerText } from './expect-answer.js';

/** User ids whose order by UTF-8 bytes is not their order by UTF-16 units: U+1F980 is a surrogate pair from U+D83E on. */
const AWKWARD_IDS = [
  ...['a', 'B', 'Z', '_', '~', ' ', 'a b', 'a/b', 'a?b', 'a#b', 'a%62', 'a+b', '"', "'", '\\', '1', '10', '2'],
  ...['é', 'e\u0301', 'ß', 'ж', '中', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\ufeff', '\ufffd', '\uff21', '\uffee'],
  ...['\u{10000}', '\u{1f980}', '\u{1f980}a', '\u{10ffff}', 'user@example.org', '__proto__', 'constructor'],
  ...['x'.repeat(128), '\u{1f980}'.repeat(128), '\u202edesrever'],
];

describe('participants over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  const personPath = (chat: WireChat, userId: string): string =>
    `/v1/chats/${chat.id}/participants/${encodeURIComponent(userId)}`;
  const join = (chat: WireChat, userId: string, role?: string): Promise<WireParticipant> =>
    bodyOf(api.put<WireParticipant>(personPath(chat, userId), role === undefined ? {} : { role }), 200, 201);
  const listAll = async (chatId: string, limit: number): Promise<WireParticipant[]> => {
    const people: WireParticipant[] = [];
    let after: string | null = null;
    do {
      const query: string = `?limit=${limit}${after === null ? '' : `&after=${encodeURIComponent(after)}`}`;
      const page = await bodyOf(api.get<WireParticipants>(`/v1/chats/${chatId}/participants${query}`), 200);
      expectShape(participantsSchema, page);
      expect(page.items.length).toBeLessThanOrEqual(limit);
      if (page.nextAfter !== null) expect(page.nextAfter).toBe(page.items.at(-1)?.userId);
      people.push(...page.items);
      after = page.nextAfter;
    } while (after !== null);
    return people;
  };

  it('are 201 when new, 200 when there, and have the documented fields', async () => {
    const chat = await api.createChat();
    const added = await api.put<WireParticipant>(personPath(chat, 'ann'));
    expect(added.status).toBe(201);
    expect(added.headers.get('chat-version')).toBe('2');
    const ann = expectShape(participantSchema, added.body);
    expect(ann).toEqual({ userId: 'ann', role: 'member', joinedAt: ann.joinedAt, lastReadSeq: 0 });
    const again = await api.put<WireParticipant>(personPath(chat, 'ann'), {});
    expect(again).toMatchObject({ status: 200, body: ann });
    expect(again.headers.get('chat-version')).toBe('2');
    expect((await api.get(`/v1/chats/${chat.id}`)).body).toMatchObject({ participantCount: 1, version: 2 });
  });

  it('change their role, and keep it when none is named', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }] });
    for (const role of ['admin', 'readonly', 'owner']) {
      expect((await api.put(personPath(chat, 'ann'), { role })).status).toBe(200);
      expect(await join(chat, 'ann')).toMatchObject({ role });
    }
    expect((await api.get(`/v1/chats/${chat.id}`)).body).toMatchObject({ version: 4, participantCount: 1 });
    expect(await listAll(chat.id, 50)).toMatchObject([{ userId: 'ann', role: 'owner' }]);
  });

  it('are listed ascending by the UTF-8 bytes of their ids, page by page', async () => {
    const chat = await api.createChat({ participants: AWKWARD_IDS.map((userId) => ({ userId })) });
    const sorted = [...AWKWARD_IDS].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    for (const limit of [1, 2, 7, AWKWARD_IDS.length - 1, AWKWARD_IDS.length, 200]) {
      expect((await listAll(chat.id, limit)).map(({ userId }) => userId)).toEqual(sorted);
    }
    const rows = await running.database.query<{ user_id: string }>(
      'SELECT user_id FROM participant WHERE chat_id = $1 ORDER BY user_id',
      [chat.id],
    );
    expect(rows.map((row) => row.user_id)).toEqual(sorted);
  });

  it('may be listed from behind an id that nobody has', async () => {
    const chat = await api.createChat({
      participants: ['a', 'c', '\uff21', '\u{1f980}'].map((userId) => ({ userId })),
    });
    const after = async (userId: string): Promise<string[]> => {
      const path = `/v1/chats/${chat.id}/participants?after=${encodeURIComponent(userId)}`;
      return (await bodyOf(api.get<WireParticipants>(path), 200)).items.map((person) => person.userId);
    };
    expect(await after('b')).toEqual(['c', '\uff21', '\u{1f980}']);
    expect(await after('\uff00')).toEqual(['\uff21', '\u{1f980}']);
    expect(await after('\uffff')).toEqual(['\u{1f980}']);
    expect(await after('\u{10ffff}')).toEqual([]);
  });

  it('are listed 50 at a time when no limit is given', async () => {
    const userIds = Array.from({ length: 51 }, (_unused, at) => `user ${String(at).padStart(3, '0')}`);
    const chat = await api.createChat({ participants: userIds.map((userId) => ({ userId })) });
    const page = await bodyOf(api.get<WireParticipants>(`/v1/chats/${chat.id}/participants`), 200);
    expect(page.items.map(({ userId }) => userId)).toEqual(userIds.slice(0, 50));
    expect(page.nextAfter).toBe('user 049');
  });

  it.each(AWKWARD_IDS)('are added, act and leave under the id %j', async (userId) => {
    const chat = await api.createChat();
    expect(await join(chat, userId)).toMatchObject({ userId });
    const sender = api.as(headerText(userId));
    const isHeaderSafe = userId.trim() === userId && userId !== '';
    const sent = await (isHeaderSafe
      ? sender.send(chat.id, { text: 'x' })
      : api.send(chat.id, { text: 'x', senderId: userId }));
    expect(sent.senderId).toBe(userId);
    expect((await api.inbox(userId)).items[0]).toMatchObject({ chat: { id: chat.id }, unread: 0 });
    expect((await api.delete(personPath(chat, userId))).status).toBe(204);
    expect((await api.inbox(userId)).items.map((item) => item.chat.id)).not.toContain(chat.id);
  });

  it('leave with 204, also when they have left, and with 404 when they were never there', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    const left = await api.delete(personPath(chat, 'ann'));
    expect(left).toMatchObject({ status: 204, body: '' });
    expect(left.headers.get('chat-version')).toBe('2');
    const again = await api.delete(personPath(chat, 'ann'));
    expect(again.status).toBe(204);
    expect(again.headers.get('chat-version')).toBe('2');
    expectProblem(await api.delete(personPath(chat, 'nobody')), 404, 'participant_not_found');
    expect((await listAll(chat.id, 10)).map(({ userId }) => userId)).toEqual(['ben']);
    expect((await api.get(`/v1/chats/${chat.id}`)).body).toMatchObject({ participantCount: 1 });
  });

  it('come back as new members who have kept their read marker', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann', role: 'admin' }, { userId: 'ben' }] });
    for (const text of ['1', '2', '3']) await api.send(chat.id, { text, senderId: 'ben' });
    await api.as('ann').put(`/v1/chats/${chat.id}/read`, { seq: 2 });
    await api.delete(personPath(chat, 'ann'));
    await api.send(chat.id, { text: '4', senderId: 'ben' });
    const back = await api.put<WireParticipant>(personPath(chat, 'ann'));
    expect(back).toMatchObject({ status: 201, body: { userId: 'ann', role: 'member', lastReadSeq: 2 } });
    expect((await api.inbox('ann')).items[0]).toMatchObject({ chat: { id: chat.id }, lastReadSeq: 2, unread: 2 });
    expect((await listAll(chat.id, 10))[0]).toEqual(back.body);
  });

  it('keep the last owner: neither leaving nor another role', async () => {
    const chat = await api.as('ann').createChat({ participants: [{ userId: 'ben' }] });
    expectProblem(await api.delete(personPath(chat, 'ann')), 409, 'last_owner');
    expectProblem(await api.put(personPath(chat, 'ann'), { role: 'admin' }), 409, 'last_owner');
    expect((await api.get(`/v1/chats/${chat.id}`)).body).toMatchObject({ version: 1, participantCount: 2 });
    await join(chat, 'ben', 'owner');
    expect((await api.put(personPath(chat, 'ann'), { role: 'member' })).status).toBe(200);
    expectProblem(await api.delete(personPath(chat, 'ben')), 409, 'last_owner');
    await join(chat, 'ann', 'owner');
    expect((await api.delete(personPath(chat, 'ben'))).status).toBe(204);
    expect((await api.delete(personPath(chat, 'ann'))).status).toBe(204);
  });

  it('never lose their last owner when two owners leave at once', async () => {
    const participants = ['ann', 'ben'].map((userId) => ({ userId, role: 'owner' }));
    const chat = await api.createChat({ participants: [...participants, { userId: 'cat' }] });
    const answers = await Promise.all(['ann', 'ben'].map((userId) => api.delete(personPath(chat, userId))));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
    const owners = (await listAll(chat.id, 10)).filter(({ role }) => role === 'owner');
    expect(owners).toHaveLength(1);
  });

  it('move their read marker forward and never back', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    for (const senderId of ['ben', 'ben', 'ann', 'ben']) await api.send(chat.id, { text: 'x', senderId });
    const read = (seq: number): Promise<unknown> =>
      bodyOf(api.as('ann').put(`/v1/chats/${chat.id}/read`, { seq }), 200);
    expect(expectShape(readStateSchema, await read(0))).toEqual({ lastReadSeq: 0, unread: 3 });
    expect(await read(2)).toEqual({ lastReadSeq: 2, unread: 1 });
    expect(await read(1)).toEqual({ lastReadSeq: 2, unread: 1 });
    expect(await read(4)).toEqual({ lastReadSeq: 4, unread: 0 });
    expect(await read(0)).toEqual({ lastReadSeq: 4, unread: 0 });
    expect(await listAll(chat.id, 10)).toMatchObject([{ lastReadSeq: 4 }, { lastReadSeq: 0 }]);
    // Created, four messages, two moves: what does not move the marker takes no version.
    expect((await api.get(`/v1/chats/${chat.id}`)).body).toMatchObject({ version: 7 });
  });

  it('cannot read beyond the end, in a chat they are not in, or for nobody', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }] });
    await api.as('ann').send(chat.id, { text: 'x' });
    const path = `/v1/chats/${chat.id}/read`;
    expectProblem(await api.as('ann').put(path, { seq: 2 }), 422, 'read_beyond_end', ['seq']);
    expectProblem(await api.as('ben').put(path, { seq: 1 }), 404, 'participant_not_found');
    expectProblem(await api.put(path, { seq: 1 }), 400, 'invalid_input', ['X-User-Id']);
    expect((await api.get(`/v1/chats/${randomUUID()}/participants`)).status).toBe(404);
  });
});
