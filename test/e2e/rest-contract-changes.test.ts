import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { WireChanges, WireChat } from '../../src/cache/wire-types.js';
import { changesSchema } from '../../src/chat/wire-schemas.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { ChatReplica } from './chat-replica.js';
import { expectProblem, expectShape } from './expect-answer.js';
import { seededRuns } from './property.js';
import { historyStep, runStep } from './random-history.js';

describe('changes over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  it('tell the present state of what changed, and nothing of what did not', async () => {
    const chat = await api.createChat({ participants: ['ann', 'ben', 'cat'].map((userId) => ({ userId })) });
    const path = `/v1/chats/${chat.id}`;
    for (const text of ['1', '2', '3']) await api.send(chat.id, { text, senderId: 'ann' });
    const since = (await api.page(chat.id)).version;
    await api.patch(`${path}/messages/1`, { text: 'first' });
    await api.patch(`${path}/messages/1`, { text: 'second' });
    await api.delete(`${path}/messages/2`);
    await api.as('ben').put(`${path}/read`, { seq: 3 });
    await api.delete(`${path}/participants/cat`);
    const page = await api.page(chat.id);
    const changes = expectShape(changesSchema, await api.changes(chat.id, since));
    expect(changes).toMatchObject({ chatId: chat.id, version: page.version, more: false, left: ['cat'] });
    expect(changes.messages).toEqual(page.items.slice(0, 2));
    expect(changes.participants).toMatchObject([{ userId: 'ben', lastReadSeq: 3 }]);
    expect(changes.chat).toEqual((await api.get(path)).body);
  });

  it('are none for who has the present version', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }] });
    const changes = await api.changes(chat.id, 1);
    expect(changes).toMatchObject({
      chatId: chat.id,
      version: 1,
      more: false,
      messages: [],
      participants: [],
      left: [],
    });
    expectShape(changesSchema, changes);
  });

  it('are everything for who has nothing', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    for (let at = 0; at < 5; at++) await api.send(chat.id, { text: `${at}`, senderId: 'ann' });
    const replica = new ChatReplica();
    await replica.catchUp(api, chat.id, 2);
    expect(replica.state).toEqual(await ChatReplica.load(api, chat.id).then(({ state }) => state));
  });

  it('tell of a new title by the chat', async () => {
    const chat = await api.createChat({ title: 'one' });
    await api.patch(`/v1/chats/${chat.id}`, { title: 'two', metadata: { a: 1 } });
    const changes = await api.changes(chat.id, 1);
    expect(changes).toMatchObject({ version: 2, messages: [], chat: { title: 'two', metadata: { a: 1 }, version: 2 } });
  });

  it('are gone for a version that nobody has told, and for one that cannot be told any more', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }] });
    for (let at = 0; at < 4; at++) await api.send(chat.id, { text: `${at}`, senderId: 'ann' });
    const path = `/v1/chats/${chat.id}/changes`;
    expectProblem(await api.get(`${path}?since=6`), 410, 'changes_gone');
    expectProblem(await api.get(`${path}?since=9007199254740991`), 410, 'changes_gone');
    await running.database.query('UPDATE chat_head SET reset_version = 3 WHERE chat_id = $1', [chat.id]);
    for (const since of [0, 2]) expectProblem(await api.get(`${path}?since=${since}`), 410, 'changes_gone');
    expect((await api.changes(chat.id, 3)).messages.map(({ seq }) => seq)).toEqual([3, 4]);
  });

  it('are not called unchanged while there is more to tell', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'ann' }] });
    const path = `/v1/chats/${chat.id}/changes?since=0&limit=1`;
    const before = await api.get<WireChanges>(path);
    expect(before.body).toMatchObject({ version: 1, more: false, participants: [{ userId: 'ann' }] });
    await api.send(chat.id, { text: 'news', senderId: 'ann' });
    const after = await api.get<WireChanges>(path, { 'if-none-match': before.headers.get('etag')! });
    expect(after).toMatchObject({ status: 200, body: { version: 1, more: true } });
  });

  it('name the version of the chat in their headers, also where the page tells only the first of them', async () => {
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }] });
    for (const text of ['1', '2', '3']) await api.send(id, { text, senderId: 'ann' });
    const chat = await api.get<WireChat>(`/v1/chats/${id}`);
    for (const limit of [1, 2, 50]) {
      const answer = await api.get<WireChanges>(`/v1/chats/${id}/changes?since=0&limit=${limit}`, {
        'min-chat-version': String(chat.body.version),
      });
      expect(answer.body).toMatchObject({ version: limit === 50 ? 4 : limit, more: limit !== 50 });
      for (const name of ['chat-version', 'etag']) expect(answer.headers.get(name)).toBe(chat.headers.get(name));
    }
  });

  it('bring a client from every version of a random history to the present, whatever the limit', async () => {
    const history = fc.array(historyStep, { minLength: 8, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
        async (steps, limits) => {
          const { id } = await api.as('ann').createChat({ participants: ['ben', 'cat'].map((userId) => ({ userId })) });
          const replicas = [new ChatReplica(), await ChatReplica.load(api, id)];
          for (const step of steps) {
            await runStep(api, id, step);
            const replica = await ChatReplica.load(api, id);
            if (replica.version > replicas.at(-1)!.version) replicas.push(replica);
          }
          const { state } = await ChatReplica.load(api, id);
          for (const [at, replica] of replicas.entries()) {
            await replica.catchUp(api, id, limits[at % limits.length]!);
            expect(replica.state).toEqual(state);
          }
        },
      ),
      seededRuns('changes', 12),
    );
  });

  it('bring clients who follow a chat while many write to it to the present', async () => {
    const { id } = await api.as('ann').createChat({ participants: ['ben', 'cat'].map((userId) => ({ userId })) });
    const steps = fc.sample(historyStep, { ...seededRuns('changes under load', 150) });
    let isWriting = true;
    const follow = async (limit: number): Promise<ChatReplica> => {
      const replica = new ChatReplica();
      while (isWriting) await replica.catchUp(api, id, limit);
      await replica.catchUp(api, id, limit);
      return replica;
    };
    const followers = [1, 3, 50].map(follow);
    const title = async (): Promise<void> => {
      for (let at = 0; at < 60; at++) await api.patch<WireChat>(`/v1/chats/${id}`, { title: `title ${at}` });
    };
    const lanes = [0, 1, 2].map(async (lane) => {
      for (const step of steps.filter((_step, at) => at % 3 === lane)) await runStep(api, id, step);
    });
    await Promise.all([...lanes, title()]).finally(() => (isWriting = false));
    const { state } = await ChatReplica.load(api, id);
    for (const follower of followers) expect((await follower).state).toEqual(state);
  });

  it('tell of the last title also a client who asks while another instance changes it faster than it is read', async () => {
    const { id } = await api.createChat({ title: 'first' });
    const other = await startTestInstance({}, running.database);
    try {
      await other.api.page(id);
      const repository = other.instance.app.get(MessageRepository);
      const loadChanges = repository.loadChanges.bind(repository);
      let titles = 3;
      repository.loadChanges = async (...query) => {
        if (titles > 0) await api.patch(`/v1/chats/${id}`, { title: `title ${titles--}` });
        return loadChanges(...query);
      };
      const replica = new ChatReplica();
      await replica.catchUp(other.api, id, 50);
      expect(titles).toBeLessThan(3);
      expect(replica.state.chat).toEqual((await api.get(`/v1/chats/${id}`)).body);
    } finally {
      await other.close();
    }
  });
});
