import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WireChat, WireLatest } from '../../src/cache/wire-types.js';
import { chatSchema } from '../../src/chat/wire-schemas.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, expectShape } from './expect-answer.js';

/** Every route that names a chat, with a body that is right for it. */
const CHAT_ROUTES: readonly (readonly [method: string, path: string, body: object | undefined])[] = [
  ['GET', '', undefined],
  ['PATCH', '', { title: 'new' }],
  ['DELETE', '', undefined],
  ['GET', '/changes?since=0', undefined],
  ['GET', '/participants', undefined],
  ['PUT', '/participants/ann', { role: 'member' }],
  ['DELETE', '/participants/ann', undefined],
  ['GET', '/messages', undefined],
  ['GET', '/messages?before=1', undefined],
  ['POST', '/messages', { text: 'hi' }],
  ['GET', '/messages/1', undefined],
  ['PATCH', '/messages/1', { text: 'new' }],
  ['DELETE', '/messages/1', undefined],
  ['PUT', '/messages/1/reactions/%F0%9F%91%8D', undefined],
  ['DELETE', '/messages/1/reactions/%F0%9F%91%8D', undefined],
  ['PUT', '/read', { seq: 1 }],
];

describe('chats over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  it('are created with what was asked for, and read back the same', async () => {
    const id = randomUUID();
    const metadata = {
      team: 'blue',
      tags: ['a', 1, 1.5, true, null, { deep: ['er', ''] }],
      'ключ 🔑': '',
      'sp ace': '"\\ :,',
    };
    const participants = [{ userId: 'ann' }, { userId: 'ben', role: 'admin' }];
    const body = { id, kind: 'channel', title: 'Ops  ☎️', metadata, participants };
    const created = await api.as('cat').post<WireChat>('/v1/chats', body);
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`/v1/chats/${id}`);
    expect(created.headers.get('chat-version')).toBe('1');
    expect(created.headers.get('etag')).toMatch(/^"[^"]+"$/);
    const chat = expectShape(chatSchema, created.body);
    expect(chat).toEqual({
      ...{
        id,
        kind: 'channel',
        title: 'Ops  ☎️',
        metadata,
        createdBy: 'cat',
        lastSeq: 0,
        version: 1,
        participantCount: 3,
      },
      createdAt: expect.any(String),
      updatedAt: chat.createdAt,
    });
    expect(Math.abs(Date.now() - Date.parse(chat.createdAt))).toBeLessThan(60_000);
    expect((await api.get(`/v1/chats/${id}`)).body).toEqual(chat);
    const people = (await api.get<{ items: object[] }>(`/v1/chats/${id}/participants`)).body.items;
    expect(people).toMatchObject([
      { userId: 'ann', role: 'member' },
      { userId: 'ben', role: 'admin' },
      { userId: 'cat', role: 'owner' },
    ]);
  });

  it('have defaults for all that was not asked for', async () => {
    const chat = await api.createChat();
    expect(expectShape(chatSchema, chat)).toMatchObject({
      ...{ kind: 'group', title: null, metadata: {}, createdBy: null, lastSeq: 0, version: 1, participantCount: 0 },
    });
  });

  it('give their creator the role that the list of participants names', async () => {
    const chat = await api.as('ann').createChat({ participants: [{ userId: 'ann', role: 'readonly' }] });
    expect(chat).toMatchObject({ createdBy: 'ann', participantCount: 1 });
    const people = (await api.get<{ items: object[] }>(`/v1/chats/${chat.id}/participants`)).body.items;
    expect(people).toMatchObject([{ userId: 'ann', role: 'readonly' }]);
  });

  it('are the same chat when the same id and content come again, however they are written', async () => {
    const id = randomUUID();
    const chat = await api.createChat({
      ...{ id, title: 'one', metadata: { a: 1, b: { c: 2, d: 3 } } },
      participants: [{ userId: 'ann' }, { userId: 'ben', role: 'member' }],
    });
    const again = await api.post<WireChat>('/v1/chats', {
      ...{ id: id.toUpperCase(), kind: 'group', title: 'one', metadata: { b: { d: 3, c: 2 }, a: 1 } },
      participants: [{ userId: 'ben' }, { userId: 'ann', role: 'member' }],
    });
    expect(again.status).toBe(200);
    expect(again.body).toEqual(chat);
    expect(again.headers.get('chat-version')).toBe('1');
  });

  it('are repeated as they are now, not as they were created', async () => {
    const body = { id: randomUUID(), title: 'before' };
    await api.createChat(body);
    await api.patch(`/v1/chats/${body.id}`, { title: 'after' });
    const again = await api.post<WireChat>('/v1/chats', body);
    expect(again).toMatchObject({ status: 200, body: { title: 'after', version: 2 } });
  });

  it.each([
    ['kind', { kind: 'channel' }],
    ['title', { title: 'other' }],
    ['no title', { title: null }],
    ['metadata', { metadata: { a: '1' } }],
    ['a participant more', { participants: [{ userId: 'ann' }, { userId: 'ben' }] }],
    ['no participant', { participants: [] }],
    ['another role', { participants: [{ userId: 'ann', role: 'admin' }] }],
  ])('are in conflict when the same id comes with other content: %s', async (_name, change) => {
    const body = { id: randomUUID(), title: 'one', metadata: { a: 1 }, participants: [{ userId: 'ann' }] };
    const chat = await api.createChat(body);
    expectProblem(await api.post('/v1/chats', { ...body, ...change }), 409, 'chat_id_conflict', ['id']);
    expect((await api.get(`/v1/chats/${body.id}`)).body).toEqual(chat);
  });

  it('are created once when the same request comes many times at once', async () => {
    const body = { id: randomUUID(), title: 'race', participants: [{ userId: 'ann' }] };
    const answers = await Promise.all(Array.from({ length: 12 }, () => api.post<WireChat>('/v1/chats', body)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array<number>(11).fill(200), 201]);
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    const rows = await running.database.query('SELECT FROM participant WHERE chat_id = $1', [body.id]);
    expect(rows).toHaveLength(1);
  });

  it('change title and metadata, each one version step', async () => {
    const chat = await api.createChat({ title: 'one', metadata: { a: 1, b: 2 } });
    const path = `/v1/chats/${chat.id}`;
    const titled = await api.patch<WireChat>(path, { title: 'two' });
    expect(titled.status).toBe(200);
    expect(titled.headers.get('chat-version')).toBe('2');
    expect(titled.body).toEqual({ ...chat, title: 'two', version: 2, updatedAt: titled.body.updatedAt });
    expect(Date.parse(titled.body.updatedAt)).toBeGreaterThanOrEqual(Date.parse(chat.updatedAt));
    const replaced = await bodyOf(api.patch<WireChat>(path, { metadata: { c: [3] } }), 200);
    expect(replaced).toMatchObject({ title: 'two', metadata: { c: [3] }, version: 3 });
    expect(replaced.metadata).toEqual({ c: [3] });
    const cleared = await bodyOf(api.patch<WireChat>(path, { title: null, metadata: {} }), 200);
    expect(cleared).toMatchObject({ title: null, metadata: {}, version: 4 });
    expect((await api.get(path)).body).toEqual(expectShape(chatSchema, cleared));
  });

  it('take no version step for a change to what they are already', async () => {
    const chat = await api.createChat({ title: 'one', metadata: { a: { b: 1, c: 2 } } });
    const same = await api.patch<WireChat>(`/v1/chats/${chat.id}`, { title: 'one', metadata: { a: { c: 2, b: 1 } } });
    expect(same).toMatchObject({ status: 200, body: chat });
  });

  describe('that never existed', () => {
    it.each(CHAT_ROUTES)('are 404 for %s %s', async (method, path, body) => {
      const answer = await api.as('ann').request(method, `/v1/chats/${randomUUID()}${path}`, body);
      expectProblem(answer, 404, 'chat_not_found');
    });
  });

  describe('that are deleted', () => {
    const id = randomUUID();
    const body = { id, title: 'gone', participants: [{ userId: 'ann' }] };
    let others: readonly string[];
    beforeAll(async () => {
      await api.createChat(body);
      others = (await api.inbox('ann')).items.map(({ chat }) => chat.id).filter((chatId) => chatId !== id);
      await api.as('ann').send(id, { text: 'hi' });
      await api.as('ann').put(`/v1/chats/${id}/messages/1/reactions/%F0%9F%91%8D`);
      const answer = await api.delete(`/v1/chats/${id}`);
      expect(answer).toMatchObject({ status: 204, body: '' });
      expect(answer.headers.get('chat-version')).toBe('4');
    });

    it.each(CHAT_ROUTES)('are 404 for %s %s', async (method, path, routeBody) => {
      expectProblem(await api.as('ann').request(method, `/v1/chats/${id}${path}`, routeBody), 404, 'chat_not_found');
    });

    it('are in no inbox and in no list of latest messages', async () => {
      expect((await api.inbox('ann')).items.map(({ chat }) => chat.id)).toEqual(others);
      const latest = await api.post<WireLatest>('/v1/messages/latest', { chatIds: [id], limit: 5 });
      expect(latest).toMatchObject({ status: 200, body: { items: [] } });
    });

    it('keep their id: the same content and other content are refused', async () => {
      expectProblem(await api.post('/v1/chats', body), 409, 'chat_id_conflict', ['id']);
      expectProblem(await api.post('/v1/chats', { id, title: 'other' }), 409, 'chat_id_conflict', ['id']);
      expectProblem(await api.get(`/v1/chats/${id}`), 404, 'chat_not_found');
    });

    it('are 404 on an instance that starts afterwards', async () => {
      const other = await startTestInstance({}, running.database);
      try {
        expectProblem(await other.api.get(`/v1/chats/${id}`), 404, 'chat_not_found');
        expectProblem(await other.api.get(`/v1/chats/${id}/messages`), 404, 'chat_not_found');
        expect((await other.api.inbox('ann')).items.map(({ chat }) => chat.id)).toEqual(others);
      } finally {
        await other.close();
      }
    });
  });
});
