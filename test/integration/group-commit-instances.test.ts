import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WireMessage } from '../../src/cache/wire-types.js';
import type { ApiAnswer } from '../support/api-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** So rarely that no look falls into the test: what an instance shows it knows from its own writes. */
const POLL_MS = '60000';

let database: TestDatabase;
let one: TestInstance;
let other: TestInstance;

beforeAll(async () => {
  database = await createTestDatabase();
  one = await startTestInstance({ COHERENCE_POLL_MS: POLL_MS }, database);
  other = await startTestInstance({ COHERENCE_POLL_MS: POLL_MS }, database);
});
afterAll(async () => {
  await one.close();
  await other.close();
  await database.drop();
});

async function createChat(): Promise<string> {
  const { id } = await one.api.createChat({ participants: [{ userId: 'alice' }, { userId: 'bob' }] });
  return id;
}

describe('two instances on one database', () => {
  it('store a message once that is sent through both at the same time with one clientId', async () => {
    const chatId = await createChat();
    const clientIds = Array.from({ length: 40 }, (_unused, at) => `k${at}`);
    const answers = await Promise.all(
      clientIds.flatMap((clientId) =>
        [one, other, one, other].map(({ api }) =>
          api.as('alice').post<WireMessage>(`/v1/chats/${chatId}/messages`, { text: `text of ${clientId}`, clientId }),
        ),
      ),
    );
    for (const clientId of clientIds) {
      const mine = answers.filter(({ body }) => body.clientId === clientId);
      expect(mine.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 201]);
      expect(mine.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(3);
      expect(new Set(mine.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    }
    const [row] = await database.query<{ rows: string; last_seq: string; version: string }>(
      `SELECT (SELECT count(*) FROM message m WHERE m.chat_id = h.chat_id) AS rows, h.last_seq, h.version
       FROM chat_head h WHERE h.chat_id = $1`,
      [chatId],
    );
    expect(row).toEqual({ rows: '40', last_seq: '40', version: '41' });
  });

  it('number what both send to one chat at the same time in one line, and both show it', async () => {
    const chatId = await createChat();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_unused, at) => [one, other][at % 2]!.api.as('bob').send(chatId, { text: `${at}` })),
    );
    expect(answers.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual(answers.map((_answer, at) => at + 1));
    for (const { api } of [one, other]) {
      const page = await api.get<{ items: WireMessage[] }>(`/v1/chats/${chatId}/messages?limit=200`, {
        'min-chat-version': '201',
      });
      expect(page.body.items).toEqual(answers.toSorted((a, b) => a.seq - b.seq));
    }
  });

  /** A chat of which the second instance holds an older version than the database has, and does not know it. */
  async function createChatBehind(): Promise<string> {
    const chatId = await createChat();
    await one.api.as('alice').send(chatId, { text: 'seen by both' });
    await other.api.page(chatId);
    await one.api.as('alice').send(chatId, { text: 'not seen by the other', clientId: 'k' });
    return chatId;
  }

  it('show a message after having answered that it is there, also when the other had stored it', async () => {
    const chatId = await createChatBehind();
    const again = await other.api
      .as('alice')
      .post<WireMessage>(`/v1/chats/${chatId}/messages`, { text: 'not seen by the other', clientId: 'k' });
    expect(again.status).toBe(200);
    expect((await other.api.page(chatId)).items).toContainEqual(again.body);
  });

  it('do not show a message any more after having answered that it is deleted, also when the other had deleted it', async () => {
    const chatId = await createChatBehind();
    await one.api.delete(`/v1/chats/${chatId}/messages/1`);
    expect((await other.api.delete(`/v1/chats/${chatId}/messages/1`)).status).toBe(204);
    expect((await other.api.page(chatId)).items[0]).toMatchObject({ seq: 1, deleted: true });
  });

  it('show the role that they have answered a participant has, also when the other had given it', async () => {
    const chatId = await createChatBehind();
    await one.api.put(`/v1/chats/${chatId}/participants/bob`, { role: 'admin' });
    expect((await other.api.put(`/v1/chats/${chatId}/participants/bob`, { role: 'admin' })).body).toMatchObject({
      role: 'admin',
    });
    const participants = await other.api.get<{ items: unknown[] }>(`/v1/chats/${chatId}/participants`);
    expect(participants.body.items).toContainEqual(expect.objectContaining({ userId: 'bob', role: 'admin' }));
  });

  it('let one content win when different ones come to both at once with one clientId', async () => {
    const chatId = await createChat();
    for (let round = 1; round <= 10; round++) {
      const answers = await Promise.all(
        [one, other, one, other].map(({ api }, at) =>
          api.as('alice').post<WireMessage>(`/v1/chats/${chatId}/messages`, { text: `${at}`, clientId: `${round}` }),
        ),
      );
      expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409]);
      const { seq } = answers.find(({ status }) => status === 201)!.body;
      expect(seq).toBe(round);
    }
  });

  it('answer a repeated send with the message as it is, also after the other has edited or deleted it', async () => {
    const chatId = await createChat();
    const send = ({ api }: TestInstance, clientId: string, text = 'first'): Promise<ApiAnswer<WireMessage>> =>
      api.as('alice').post<WireMessage>(`/v1/chats/${chatId}/messages`, { text, clientId });
    const path = (seq: number): string => `/v1/chats/${chatId}/messages/${seq}`;
    await send(one, 'edited');
    await one.api.patch(path(1), { text: 'second' });
    await send(one, 'deleted');
    await one.api.delete(path(2));
    for (const { clientId, now } of [
      { clientId: 'edited', now: { seq: 1, text: 'second' } },
      { clientId: 'deleted', now: { seq: 2, deleted: true } },
    ]) {
      const again = await send(other, clientId);
      expect(again).toMatchObject({ status: 200, body: now });
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect((await send(other, clientId, 'other content')).status).toBe(409);
    }
    const [row] = await database.query('SELECT last_seq, version FROM chat_head WHERE chat_id = $1', [chatId]);
    expect(row).toEqual({ last_seq: '2', version: '5' });
  });

  it.each([
    ['leave', 'leave'],
    ['leave', 'become a member'],
    ['become a member', 'become a member'],
  ])(
    'never lose the last owner when of two one is to %s and the other to %s, at both or in one burst',
    async (...how) => {
      for (const sides of [
        [one, other],
        [one, one],
      ]) {
        for (let round = 0; round < 5; round++) {
          const owners = ['ann', 'ben'].map((userId) => ({ userId, role: 'owner' }));
          const { id } = await one.api.createChat({ participants: [...owners, { userId: 'cat' }] });
          const answers = await Promise.all(
            sides.map(({ api }, at) => {
              const person = `/v1/chats/${id}/participants/${owners[at]!.userId}`;
              return how[at] === 'leave' ? api.delete(person) : api.put(person, { role: 'member' });
            }),
          );
          const refused = answers.filter(({ status }) => status === 409);
          expect(refused).toMatchObject([{ body: { code: 'last_owner' } }]);
          const left = await database.query(
            `SELECT FROM participant WHERE chat_id = $1 AND role = 'owner' AND left_at IS NULL`,
            [id],
          );
          expect(left).toHaveLength(1);
        }
      }
    },
  );
});
