import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WireChat, WireMessage } from '../../src/cache/wire-types.js';
import { messageSchema } from '../../src/chat/wire-schemas.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, expectShape } from './expect-answer.js';

describe('messages over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  let chat: WireChat;
  let path: string;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  beforeEach(async () => {
    chat = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    path = `/v1/chats/${chat.id}/messages`;
  });
  afterAll(() => running.close());

  const readMessage = (seq: number): Promise<WireMessage> => bodyOf(api.get<WireMessage>(`${path}/${seq}`), 200);
  const chatVersion = async (): Promise<number> =>
    (await bodyOf(api.get<WireChat>(`/v1/chats/${chat.id}`), 200)).version;

  describe('sent', () => {
    it('are answered with 201, their place, and nothing that has its default', async () => {
      const answer = await api.as('ann').post<WireMessage>(path, { text: 'hi' });
      expect(answer.status).toBe(201);
      expect(answer.headers.get('location')).toBe(`${path}/1`);
      expect(answer.headers.get('chat-version')).toBe('2');
      expect(answer.headers.get('idempotency-replayed')).toBeNull();
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      const sent = expectShape(messageSchema, answer.body);
      expect(sent).toEqual({ seq: 1, senderId: 'ann', text: 'hi', createdAt: sent.createdAt });
      expect(await readMessage(1)).toEqual(sent);
    });

    it('have no field for a kind or metadata that are the default', async () => {
      const sent = await api.send(chat.id, { text: 'hi', senderId: 'ann', kind: 'user', metadata: {} });
      expect(sent).toEqual({ seq: 1, senderId: 'ann', text: 'hi', createdAt: sent.createdAt });
    });

    it('have every field that was given', async () => {
      await api.send(chat.id, { text: 'first', senderId: 'ben' });
      const metadata = { 'a : b, c': ' : , ', list: [0, -1, 0.25, 1e-7, 9007199254740991, 'x'], no: null, '': {} };
      const given = { text: 'hi', clientId: 'c 1', kind: 'system', metadata, replyTo: 1 };
      const sent = await api.send(chat.id, {
        ...given,
        senderId: 'bot',
        createdAt: '2020-02-29T12:00:00.123999+02:00',
      });
      expect(sent).toEqual({ seq: 2, senderId: 'bot', ...given, createdAt: '2020-02-29T10:00:00.123Z' });
      expectShape(messageSchema, sent);
      expect(await readMessage(2)).toEqual(sent);
      expect((await api.page(chat.id)).items[1]).toEqual(sent);
    });

    it('are of the acting user, unless the service names the sender', async () => {
      expect(await api.as('ann').send(chat.id, { text: 'x' })).toMatchObject({ senderId: 'ann' });
      expect(await api.as('ann').send(chat.id, { text: 'x', senderId: 'ben' })).toMatchObject({ senderId: 'ben' });
      expectProblem(await api.post(path, { text: 'x' }), 400, 'invalid_input', ['senderId']);
    });

    it('are numbered without holes when many come at once, refused ones among them', async () => {
      const sends = Array.from({ length: 60 }, (_unused, at) =>
        api.as('ann').post<WireMessage>(path, { text: `${at}`, ...(at % 3 === 0 ? { replyTo: 1000 } : {}) }),
      );
      const answers = await Promise.all(sends);
      for (const [at, answer] of answers.entries()) {
        if (at % 3 === 0) expectProblem(answer, 422, 'reply_target_missing', ['replyTo']);
      }
      const sent = answers.filter(({ status }) => status === 201).map(({ body }) => body);
      expect(sent.map(({ seq }) => seq).sort((one, other) => one - other)).toEqual(
        Array.from({ length: 40 }, (_u, at) => at + 1),
      );
      const page = await api.page(chat.id);
      expect(page.items).toEqual([...sent].sort((one, other) => one.seq - other.seq));
      expect(page.version).toBe(41);
    });

    it('reply to a message that exists, also to one that is deleted later, and to no other', async () => {
      await api.send(chat.id, { text: 'question', senderId: 'ann' });
      expect(await api.send(chat.id, { text: 'answer', senderId: 'ben', replyTo: 1 })).toMatchObject({ replyTo: 1 });
      expect((await api.delete(`${path}/1`)).status).toBe(204);
      expect(await readMessage(2)).toMatchObject({ text: 'answer', replyTo: 1 });
      const orphan = await api.as('ann').post(path, { text: 'x', replyTo: 3 });
      expectProblem(orphan, 422, 'reply_target_missing', ['replyTo']);
      expect(await chatVersion()).toBe(4);
    });
  });

  describe('edited', () => {
    it('have a new text or metadata and a time of the edit, and keep the rest', async () => {
      const sent = await api.send(chat.id, { text: 'one', senderId: 'ann', clientId: 'c', metadata: { a: 1 } });
      const answer = await api.patch<WireMessage>(`${path}/1`, { text: 'two' });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('chat-version')).toBe('3');
      const edited = expectShape(messageSchema, answer.body);
      expect(edited).toEqual({ ...sent, text: 'two', editedAt: expect.stringMatching(/Z$/) });
      const again = await bodyOf(api.patch<WireMessage>(`${path}/1`, { metadata: { b: [2] } }), 200);
      expect(again).toEqual({ ...edited, metadata: { b: [2] }, editedAt: again.editedAt });
      const bare = await bodyOf(api.patch<WireMessage>(`${path}/1`, { metadata: {}, text: 'three' }), 200);
      expect(bare).toEqual({
        seq: 1,
        senderId: 'ann',
        clientId: 'c',
        text: 'three',
        createdAt: sent.createdAt,
        editedAt: bare.editedAt,
      });
      expect(await readMessage(1)).toEqual(bare);
      expect((await api.page(chat.id)).items).toEqual([bare]);
    });

    it('keep what they said before in the database', async () => {
      await api.send(chat.id, { text: 'one', senderId: 'ann' });
      for (const text of ['two', 'three']) await api.patch(`${path}/1`, { text });
      const rows = await running.database.query('SELECT text FROM message_edit WHERE chat_id = $1 ORDER BY version', [
        chat.id,
      ]);
      expect(rows).toEqual([{ text: 'one' }, { text: 'two' }]);
    });

    it('take no version step and no time when nothing changes', async () => {
      const sent = await api.send(chat.id, { text: 'one', senderId: 'ann', metadata: { a: { b: 1, c: 2 } } });
      const same = await api.patch<WireMessage>(`${path}/1`, { text: 'one', metadata: { a: { c: 2, b: 1 } } });
      expect(same).toMatchObject({ status: 200, body: sent });
      expect(same.body).not.toHaveProperty('editedAt');
      expect(await chatVersion()).toBe(2);
    });

    it('must exist and must not be deleted', async () => {
      expectProblem(await api.patch(`${path}/1`, { text: 'x' }), 404, 'message_not_found');
      await api.send(chat.id, { text: 'one', senderId: 'ann' });
      await api.delete(`${path}/1`);
      expectProblem(await api.patch(`${path}/1`, { text: 'x' }), 409, 'message_deleted');
    });
  });

  describe('deleted', () => {
    it('leave a tombstone everywhere, and no word of theirs in any table', async () => {
      const secret = 'hunter2-äöü';
      await api.send(chat.id, { text: `${secret} 1`, senderId: 'ann', clientId: 'c', metadata: { [secret]: secret } });
      await api.patch(`${path}/1`, { text: `${secret} 2` });
      await api.as('ben').put(`${path}/1/reactions/${encodeURIComponent(secret)}`);
      const before = await readMessage(1);
      const answer = await api.delete(`${path}/1`);
      expect(answer).toMatchObject({ status: 204, body: '' });
      expect(answer.headers.get('chat-version')).toBe('5');
      const tombstone = expectShape(messageSchema, await readMessage(1));
      expect(tombstone).toEqual({
        ...{ seq: 1, senderId: 'ann', deleted: true, createdAt: before.createdAt },
        deletedAt: expect.stringMatching(/Z$/),
      });
      expect((await api.page(chat.id)).items).toEqual([tombstone]);
      expect((await api.inbox('ben')).items.find((item) => item.chat.id === chat.id)?.lastMessage).toEqual(tombstone);
      for (const table of ['message', 'message_edit', 'reaction']) {
        const rows = await running.database.query(`SELECT t::text AS row FROM ${table} t WHERE chat_id = $1`, [
          chat.id,
        ]);
        expect(JSON.stringify(rows)).not.toContain('hunter2');
      }
      const [row] = await running.database.query('SELECT text, metadata FROM message WHERE chat_id = $1', [chat.id]);
      expect(row).toEqual({ text: null, metadata: null });
    });

    it('are deleted once, and only if they exist', async () => {
      expectProblem(await api.delete(`${path}/1`), 404, 'message_not_found');
      await api.send(chat.id, { text: 'x', senderId: 'ann' });
      await api.delete(`${path}/1`);
      const tombstone = await readMessage(1);
      const again = await api.delete(`${path}/1`);
      expect(again.status).toBe(204);
      expect(again.headers.get('chat-version')).toBe('3');
      expect(await readMessage(1)).toEqual(tombstone);
    });

    it('keep their place in the line', async () => {
      for (const text of ['1', '2']) await api.send(chat.id, { text, senderId: 'ann' });
      await api.delete(`${path}/2`);
      expect(await api.send(chat.id, { text: '3', senderId: 'ann' })).toMatchObject({ seq: 3 });
      expect((await api.page(chat.id)).items.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    });
  });

  describe('read one by one', () => {
    it('are 404 where the line does not reach', async () => {
      await api.send(chat.id, { text: 'x', senderId: 'ann' });
      expectProblem(await api.get(`${path}/2`), 404, 'message_not_found');
      expectProblem(await api.get(`${path}/9007199254740991`), 404, 'message_not_found');
    });
  });
});
