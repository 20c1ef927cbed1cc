import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { WireChat } from '../../src/cache/wire-types.js';
import { EditsController } from '../../src/chat/edits.controller.js';
import { editsSchema } from '../../src/chat/wire-schemas.js';
import type { ApiAnswer, ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectProblem, expectShape } from './expect-answer.js';

describe('edit histories over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  let chat: WireChat;
  let path: string;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  beforeEach(async () => {
    chat = await api.createChat({ participants: [{ userId: 'ann', role: 'owner' }, { userId: 'ben' }] });
    path = `/v1/chats/${chat.id}/messages`;
  });
  afterAll(() => running.close());

  const edits = (seq: number, headers?: Record<string, string>): Promise<ApiAnswer<unknown>> =>
    api.get(`${path}/${seq}/edits`, headers);
  const itemsOf = async (seq: number): Promise<object[]> => {
    const { status, body } = await edits(seq);
    expect(status).toBe(200);
    return expectShape(editsSchema, body).items;
  };

  it('tell what each edit replaced, oldest first, byte for byte', async () => {
    const text = 'one "1"\n\u2028 é🍕';
    await api.send(chat.id, { text: 'before', senderId: 'ben' });
    await api.send(chat.id, { text, senderId: 'ann', metadata: { b: 1, a: { z: [null, 1.5] } } });
    await api.patch(`${path}/2`, { text: 'two' });
    await api.send(chat.id, { text: 'in between', senderId: 'ben' });
    await api.patch(`${path}/2`, { metadata: {} });
    await api.patch(`${path}/2`, { text: 'three' });
    const metadata = { a: { z: [null, 1.5] }, b: 1 };
    const replacedAt = expect.stringMatching(/Z$/);
    expect(await itemsOf(2)).toEqual([
      { version: 3, text, metadata, replacedAt },
      { version: 4, text: 'two', metadata, replacedAt },
      { version: 6, text: 'two', replacedAt },
    ]);
    const answer = await edits(2);
    expect(answer.headers.get('chat-version')).toBe('7');
    expect(answer.headers.get('cache-status')).toBe('scrollback; fwd=bypass');
    expect((await edits(2, { 'if-none-match': answer.headers.get('etag')! })).status).toBe(304);
  });

  it('name the version of the last change before the edit, be it a reaction', async () => {
    await api.send(chat.id, { text: 'one', senderId: 'ann' });
    await api.as('ben').put(`${path}/1/reactions/ok`);
    await api.patch(`${path}/1`, { text: 'two' });
    expect(await itemsOf(1)).toMatchObject([{ version: 3, text: 'one' }]);
  });

  it('are empty for a message that was never edited, or edited to what it was, and for a tombstone', async () => {
    for (const text of ['one', 'two']) await api.send(chat.id, { text, senderId: 'ann' });
    await api.patch(`${path}/1`, { text: 'one' });
    await api.patch(`${path}/2`, { text: 'changed' });
    expect(await itemsOf(1)).toEqual([]);
    expect(await itemsOf(2)).toHaveLength(1);
    await api.delete(`${path}/2`);
    expect(await itemsOf(2)).toEqual([]);
  });

  it('are 404 for a message, a chat and a deleted chat that is not there, and 503 for a version nobody has written', async () => {
    expectProblem(await edits(1), 404, 'message_not_found');
    expectProblem(await api.get(`/v1/chats/${randomUUID()}/messages/1/edits`), 404, 'chat_not_found');
    await api.send(chat.id, { text: 'one', senderId: 'ann' });
    expectProblem(await edits(1, { 'min-chat-version': '99' }), 503, 'version_not_reached');
    expectProblem(await edits(0), 400, 'invalid_input', ['seq']);
    await api.delete(`/v1/chats/${chat.id}`);
    expectProblem(await edits(1), 404, 'chat_not_found');
  });

  it('are for services: a user is refused in a chat that they are in, and told nothing of others', async () => {
    await api.send(chat.id, { text: 'one', senderId: 'ann' });
    const controller = running.instance.app.get(EditsController);
    const ask = (userId: string): Promise<void> =>
      controller.list({ chatId: chat.id, seq: 1 }, {}, { type: 'user', userId }, undefined, NO_REQUEST, NO_REPLY);
    // Not even an owner.
    await expect(ask('ann')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(ask('stranger')).rejects.toMatchObject({ code: 'chat_not_found' });
    // Acting for a user takes nothing away from a service.
    expect((await api.as('ben').get(`${path}/1/edits`)).status).toBe(200);
  });
});

/** Who is refused is refused before either is looked at. */
const NO_REQUEST = {} as FastifyRequest;
const NO_REPLY = {} as FastifyReply;
