import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WireChat, WireMessage } from '../../src/cache/wire-types.js';
import type { ApiAnswer, ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, headerText } from './expect-answer.js';

describe('a send with a clientId', () => {
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

  const send = (body: object, key?: string, user = 'ann'): Promise<ApiAnswer<WireMessage>> =>
    api.as(user).post<WireMessage>(path, body, key === undefined ? {} : { 'idempotency-key': key });
  const expectReplayed = (answer: ApiAnswer<WireMessage>, message: WireMessage, version: number): void => {
    expect(answer).toMatchObject({ status: 200, body: message });
    expect(answer.body).toEqual(message);
    expect(answer.headers.get('idempotency-replayed')).toBe('true');
    expect(answer.headers.get('location')).toBe(`${path}/${message.seq}`);
    expect(answer.headers.get('chat-version')).toBe(String(version));
  };
  const expectLine = async (length: number): Promise<void> => {
    expect((await bodyOf(api.get<WireChat>(`/v1/chats/${chat.id}`), 200)).lastSeq).toBe(length);
    const rows = await running.database.query('SELECT FROM message WHERE chat_id = $1', [chat.id]);
    expect(rows).toHaveLength(length);
  };

  it('is answered with the first message when it is repeated', async () => {
    const body = { text: 'hi', clientId: 'k', metadata: { a: 1, b: 2 } };
    const first = await send(body);
    expect(first).toMatchObject({ status: 201, body: { seq: 1, clientId: 'k' } });
    expectReplayed(await send({ ...body, metadata: { b: 2, a: 1 } }), first.body, 2);
    expectReplayed(await send({ ...body, kind: 'user', senderId: 'ann' }, undefined, 'ben'), first.body, 2);
    await expectLine(1);
  });

  it('takes the clientId from the Idempotency-Key header, quoted or bare, if the body has none', async () => {
    const first = await send({ text: 'hi' }, '"k 1"');
    expect(first).toMatchObject({ status: 201, body: { clientId: 'k 1' } });
    expectReplayed(await send({ text: 'hi' }, 'k 1'), first.body, 2);
    expectReplayed(await send({ text: 'hi', clientId: 'k 1' }), first.body, 2);
    const other = await send({ text: 'hi', clientId: 'body' }, 'k 1');
    expect(other).toMatchObject({ status: 201, body: { seq: 2, clientId: 'body' } });
    const unicode = await send({ text: 'hi' }, headerText('клю🔑'));
    expect(unicode).toMatchObject({ status: 201, body: { clientId: 'клю🔑' } });
    await expectLine(3);
  });

  it('is repeated also after the message was edited, and has then its present state', async () => {
    const body = { text: 'hi', clientId: 'k' };
    await send(body);
    const edited = await bodyOf(api.patch<WireMessage>(`${path}/1`, { text: 'changed' }), 200);
    expectReplayed(await send(body), edited, 3);
    expectProblem(await send({ ...body, text: 'changed' }), 409, 'client_id_conflict', ['clientId']);
    await api.patch(`${path}/1`, { text: 'changed again', metadata: { x: 1 } });
    expect(await send(body)).toMatchObject({ status: 200, body: { seq: 1, text: 'changed again' } });
    await expectLine(1);
  });

  it('is repeated also after the message was deleted, and stays deleted', async () => {
    const body = { text: 'hi', clientId: 'k' };
    await send(body);
    await api.delete(`${path}/1`);
    const tombstone = await bodyOf(api.get<WireMessage>(`${path}/1`), 200);
    expectReplayed(await send(body), tombstone, 3);
    expect(tombstone).not.toHaveProperty('text');
    expectProblem(await send({ ...body, text: 'other' }), 409, 'client_id_conflict', ['clientId']);
    await expectLine(1);
  });

  it('is repeated also after edit and delete together', async () => {
    const body = { text: 'hi', clientId: 'k', metadata: { a: 1 }, kind: 'system' };
    await send(body);
    await api.patch(`${path}/1`, { text: 'changed', metadata: {} });
    await api.delete(`${path}/1`);
    expect(await send(body)).toMatchObject({ status: 200, body: { seq: 1, deleted: true } });
    await expectLine(1);
  });

  it.each([
    ['text', { text: 'hi ' }],
    ['text in another normal form', { text: 'h\u0131' }],
    ['metadata', { metadata: { a: 2 } }],
    ['no metadata', { metadata: {} }],
    ['kind', { kind: 'system' }],
    ['reply', { replyTo: 2 }],
    ['no reply', { replyTo: undefined }],
  ])('is in conflict with other content: %s', async (_name, change) => {
    for (const text of ['one', 'two']) await api.send(chat.id, { text, senderId: 'ben' });
    const body = { text: 'hi', clientId: 'k', metadata: { a: 1 }, replyTo: 1 };
    const first = await send(body);
    expect(first.status).toBe(201);
    expectProblem(await send({ ...body, ...change }), 409, 'client_id_conflict', ['clientId']);
    expectReplayed(await send(body), first.body, 4);
    await expectLine(3);
  });

  it('is another message when another sender uses the id, or the same sender in another chat', async () => {
    await send({ text: 'hi', clientId: 'k' });
    expect(await send({ text: 'hi', clientId: 'k' }, undefined, 'ben')).toMatchObject({
      ...{ status: 201, body: { seq: 2, senderId: 'ben', clientId: 'k' } },
    });
    expect(await send({ text: 'else', clientId: 'k', senderId: 'cat' })).toMatchObject({
      status: 201,
      body: { seq: 3 },
    });
    const other = await api.createChat();
    const elsewhere = await api.as('ann').post(`/v1/chats/${other.id}/messages`, { text: 'x', clientId: 'k' });
    expect(elsewhere).toMatchObject({ status: 201, body: { seq: 1 } });
    await expectLine(3);
  });

  it('tells ids apart by their bytes', async () => {
    for (const clientId of ['k', 'K', ' k', 'k ', '\u00e9', 'e\u0301', '\u{1f980}'.repeat(128)]) {
      expect(await send({ text: 'hi', clientId })).toMatchObject({ status: 201, body: { clientId } });
    }
    await expectLine(7);
  });

  it('is written once when it comes many times at once', async () => {
    const answers = await Promise.all(Array.from({ length: 15 }, () => send({ text: 'hi', clientId: 'k' })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(14);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    await expectLine(1);
  });

  it('lets one of several different contents win when they come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, (_u, at) => send({ text: `${at}`, clientId: 'k' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(9).fill(409)]);
    await expectLine(1);
  });

  it('that is repeated while the message is edited is answered with the message of the version that it names', async () => {
    for (let round = 1; round <= 20; round++) {
      const body = { text: 'first', clientId: `${round}` };
      const { seq } = (await send(body)).body;
      // The first write is under way while the others wait for each other.
      const [, edited, replayed] = await Promise.all([
        send({ text: 'something else' }),
        api.patch<WireMessage>(`${path}/${seq}`, { text: 'second' }),
        send(body),
      ]);
      const versions = [edited, replayed].map((answer) => Number(answer.headers.get('chat-version')));
      const expected = versions[1]! >= versions[0]! ? 'second' : 'first';
      expect({ round, text: replayed.body.text }).toEqual({ round, text: expected });
    }
  });

  it('is refused when the Idempotency-Key is no UTF-8, since two broken keys would look the same', async () => {
    expectProblem(await send({ text: 'hi' }, '\xff'), 400, 'invalid_input', ['Idempotency-Key']);
    expectProblem(await send({ text: 'hi' }, '\xfe'), 400, 'invalid_input', ['Idempotency-Key']);
    await expectLine(0);
  });
});
