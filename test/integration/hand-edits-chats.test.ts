import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Poller } from '../../src/cache/coherence/poller.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectSound, insertChat, readHead, readPlaces } from './hand-edit-checks.js';

let running: TestInstance;

beforeAll(async () => {
  // It looks by itself only once a minute: each test says when.
  running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
});
afterEach(() => expectSound(running.database));
afterAll(() => running.close());

const sql = <Row extends object = Record<string, unknown>>(text: string, ...values: unknown[]): Promise<Row[]> =>
  running.database.query<Row>(text, values);
const head = (chatId: string): Promise<object> => readHead(running.database, chatId);
const poll = (): Promise<void> => running.instance.app.get(Poller).pollOnce();
const status = async (chatId: string): Promise<number> => (await running.api.get(`/v1/chats/${chatId}`)).status;
const participants = (chatId: string): Promise<object[]> =>
  sql('SELECT user_id, version::int FROM participant WHERE chat_id = $1 ORDER BY user_id', chatId);

describe('a chat that a person writes', () => {
  it('has a head from the beginning and is there for everybody after a poll', async () => {
    const chatId = await insertChat(running.database);
    expect(await head(chatId)).toEqual({ lastSeq: 0, version: 1, resetVersion: 0 });
    await poll();
    const { body } = await running.api.get(`/v1/chats/${chatId}`);
    expect(body).toMatchObject({ title: 'By hand', kind: 'group', createdBy: 'ann', lastSeq: 0, version: 1 });
  });

  it('takes a version when it is updated', async () => {
    const chatId = await insertChat(running.database, ['a']);
    expect(await status(chatId)).toBe(200);
    await sql(`UPDATE chat SET title = 'New' WHERE id = $1`, chatId);
    expect(await head(chatId)).toEqual({ lastSeq: 1, version: 3, resetVersion: 0 });
    await poll();
    expect((await running.api.get(`/v1/chats/${chatId}`)).body).toMatchObject({ title: 'New', version: 3 });
    expect((await running.api.changes(chatId, 2)).chat).toMatchObject({ title: 'New' });
    await sql('UPDATE chat SET deleted_at = now() WHERE id = $1', chatId);
    await poll();
    expect(await status(chatId)).toBe(404);
  });

  it('is gone when it is deleted, and goes on from its last version when it is inserted again', async () => {
    const chatId = await insertChat(running.database, ['a']);
    expect(await status(chatId)).toBe(200);
    await sql('DELETE FROM chat WHERE id = $1', chatId);
    expect(await head(chatId)).toEqual({ lastSeq: 1, version: 3, resetVersion: 3 });
    await poll();
    expect(await status(chatId)).toBe(404);
    await sql('INSERT INTO chat (id) VALUES ($1)', chatId);
    expect(await head(chatId)).toEqual({ lastSeq: 1, version: 4, resetVersion: 3 });
    await poll();
    expect(await status(chatId)).toBe(200);
  });

  it('is gone under an id that it does not have any more', async () => {
    const [before, after] = [await insertChat(running.database), '01980000-0000-7000-8000-00000000beef'];
    expect([await status(before), await status(after)]).toEqual([200, 404]);
    await sql('UPDATE chat SET id = $2 WHERE id = $1', before, after);
    await poll();
    expect([await status(before), await status(after)]).toEqual([404, 200]);
    expect(await head(before)).toEqual({ lastSeq: 0, version: 2, resetVersion: 2 });
  });

  it('is gone with all the others after TRUNCATE', async () => {
    const chatIds = [await insertChat(running.database), await insertChat(running.database, ['a'])];
    for (const chatId of chatIds) expect(await status(chatId)).toBe(200);
    await sql('TRUNCATE chat');
    await poll();
    for (const chatId of chatIds) expect(await status(chatId)).toBe(404);
  });
});

describe('participants that a person writes', () => {
  it('take a version each, and are in the chat after a poll', async () => {
    const chatId = await insertChat(running.database);
    expect((await running.api.inbox('ben')).items).toEqual([]);
    await sql(
      `INSERT INTO participant (chat_id, user_id, role) VALUES ($1, 'ben', 'member'), ($1, 'ann', 'owner')`,
      chatId,
    );
    expect(await participants(chatId)).toEqual([
      { user_id: 'ann', version: 2 },
      { user_id: 'ben', version: 3 },
    ]);
    await poll();
    expect((await running.api.inbox('ben')).items.map(({ chat }) => chat.id)).toEqual([chatId]);
    await sql(`UPDATE participant SET left_at = now() WHERE chat_id = $1 AND user_id = 'ben'`, chatId);
    await poll();
    expect((await running.api.inbox('ben')).items).toEqual([]);
    expect(await running.api.changes(chatId, 3)).toMatchObject({ version: 4, participants: [], left: ['ben'] });
  });

  it('are refused for a chat that is not there', async () => {
    const insert = `INSERT INTO participant (chat_id, user_id) VALUES (gen_random_uuid(), 'ben')`;
    await expect(sql(insert)).rejects.toMatchObject({ code: '23503' });
  });

  it('vanish when they are deleted, renamed or moved', async () => {
    const [one, other] = [await insertChat(running.database), await insertChat(running.database)];
    const insert = `INSERT INTO participant (chat_id, user_id) SELECT $1, unnest($2::text[])`;
    await sql(insert, one, ['ann', 'ben', 'cat']);
    await sql(`DELETE FROM participant WHERE chat_id = $1 AND user_id = 'cat'`, one);
    expect(await head(one)).toEqual({ lastSeq: 0, version: 5, resetVersion: 5 });
    await sql(`UPDATE participant SET user_id = 'bob' WHERE chat_id = $1 AND user_id = 'ben'`, one);
    expect(await head(one)).toEqual({ lastSeq: 0, version: 7, resetVersion: 7 });
    await sql(`UPDATE participant SET chat_id = $2 WHERE chat_id = $1 AND user_id = 'bob'`, one, other);
    expect(await head(one)).toEqual({ lastSeq: 0, version: 8, resetVersion: 8 });
    expect(await participants(other)).toEqual([{ user_id: 'bob', version: 2 }]);
    await poll();
    expect((await running.api.inbox('bob')).items.map(({ chat }) => chat.id)).toEqual([other]);
    await sql('TRUNCATE participant');
    expect(await head(other)).toEqual({ lastSeq: 0, version: 3, resetVersion: 3 });
    await poll();
    expect((await running.api.inbox('bob')).items).toEqual([]);
  });

  it('stay one row when they are inserted again', async () => {
    const chatId = await insertChat(running.database);
    const insert = `INSERT INTO participant (chat_id, user_id, role) VALUES ($1, 'ann', $2) ON CONFLICT (chat_id, user_id)`;
    await sql(`${insert} DO UPDATE SET role = excluded.role`, chatId, 'member');
    await sql(`${insert} DO UPDATE SET role = excluded.role`, chatId, 'admin');
    await sql(`${insert} DO NOTHING`, chatId, 'owner');
    expect(await participants(chatId)).toEqual([{ user_id: 'ann', version: 3 }]);
    expect(await head(chatId)).toEqual({ lastSeq: 0, version: 3, resetVersion: 0 });
  });
});

describe('reactions that a person writes', () => {
  it('change their message, once for each statement', async () => {
    const chatId = await insertChat(running.database, ['a', 'b']);
    const reactions = async (): Promise<unknown> => (await running.api.page(chatId)).items[0]!.reactions;
    expect(await reactions()).toBeUndefined();
    await sql(
      `INSERT INTO reaction (chat_id, seq, user_id, emoji) VALUES ($1, 1, 'ann', 'ok'), ($1, 1, 'ben', 'ok')`,
      chatId,
    );
    expect(await readPlaces(running.database, chatId)).toEqual([
      { seq: 1, version: 4, changed: true },
      { seq: 2, version: 3, changed: false },
    ]);
    await poll();
    expect(await reactions()).toEqual([{ emoji: 'ok', count: 2, userIds: ['ann', 'ben'] }]);
    await sql(`UPDATE reaction SET seq = 2, emoji = 'no' WHERE chat_id = $1 AND user_id = 'ben'`, chatId);
    expect(await head(chatId)).toEqual({ lastSeq: 2, version: 6, resetVersion: 0 });
    await poll();
    expect((await running.api.changes(chatId, 4)).messages.map(({ seq }) => seq)).toEqual([1, 2]);
    await sql('DELETE FROM reaction WHERE chat_id = $1 AND seq = 1', chatId);
    expect(await head(chatId)).toEqual({ lastSeq: 2, version: 7, resetVersion: 0 });
    await poll();
    expect(await reactions()).toBeUndefined();
    await sql('TRUNCATE reaction');
    expect(await head(chatId)).toEqual({ lastSeq: 2, version: 8, resetVersion: 8 });
  });

  it('are no change where they show nowhere', async () => {
    const chatId = await insertChat(running.database, ['a']);
    await sql(`INSERT INTO reaction (chat_id, seq, user_id, emoji) VALUES ($1, 7, 'ann', 'ok')`, chatId);
    expect(await head(chatId)).toEqual({ lastSeq: 1, version: 2, resetVersion: 0 });
  });
});

describe('what the application writes itself', () => {
  it('takes the versions that it says, one for each change', async () => {
    const chats = running.instance.app.get(ChatRepository);
    const { chatId, version } = await chats.createChat({ participants: [{ userId: 'ann' }] });
    expect({ version, ...(await head(chatId)) }).toEqual({ lastSeq: 0, version: 1, resetVersion: 0 });
    expect(await chats.addParticipant(chatId, 'ben')).toMatchObject({ version: 2 });
    expect(await chats.updateChat(chatId, { title: 'T' })).toMatchObject({ version: 3 });
    expect(await chats.removeParticipant(chatId, 'ben')).toMatchObject({ version: 4 });
    expect(await chats.deleteChat(chatId)).toMatchObject({ version: 5 });
    expect(await head(chatId)).toEqual({ lastSeq: 0, version: 5, resetVersion: 0 });
  });
});
