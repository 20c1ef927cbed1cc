import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

let running: TestInstance;
let chats: ChatRepository;
let messages: MessageRepository;
const clients: Client[] = [];

beforeAll(async () => {
  running = await startTestInstance();
  chats = running.instance.app.get(ChatRepository);
  messages = running.instance.app.get(MessageRepository);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
});
afterAll(() => running.close());

async function createChat(): Promise<string> {
  const participants = [{ userId: 'alice' }, { userId: 'bob' }];
  const { chatId } = await chats.createChat({ title: 'T', metadata: { a: 1 }, participants });
  await messages.createMessage({ chatId, senderId: 'alice', text: 'text', metadata: { a: 1 } });
  return chatId;
}

/**
 * Does something while a person's UPDATE of a row is open that has not come to the chat's head yet, as the triggers do at its
 * end: the operation has read the row before, and writes it after.
 */
async function amid<Result>(sql: string, chatId: string, work: () => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: running.database.url });
  clients.push(client);
  await client.connect();
  await client.query(`BEGIN; SET LOCAL scrollback.writer = 'application'`);
  await client.query(sql, [chatId]);
  const result = work();
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await running.database.query(waiting)).length === 0);
  await client.query('COMMIT');
  return result;
}

async function readRow(table: string, columns: string, chatId: string, more = ''): Promise<unknown> {
  const key = table === 'chat' ? 'id' : 'chat_id';
  const [row] = await running.database.query(`SELECT ${columns} FROM ${table} WHERE ${key} = $1 ${more}`, [chatId]);
  return row;
}

describe('an operation leaves to a person what it does not change itself', () => {
  it('the metadata of a message of which it edits the text, and tells it', async () => {
    const chatId = await createChat();
    const sql = `UPDATE message SET metadata = '{"by": "hand"}' WHERE chat_id = $1`;
    const { message } = await amid(sql, chatId, () => messages.editMessage(chatId, 1, { text: 'edited' }));
    expect(message).toMatchObject({ text: 'edited', metadataJson: '{"by":"hand"}' });
    expect(await readRow('message', 'text, metadata', chatId)).toEqual({ text: 'edited', metadata: { by: 'hand' } });
  });

  it('the text of a message of which it edits the metadata, and tells it', async () => {
    const chatId = await createChat();
    const sql = `UPDATE message SET text = 'by hand' WHERE chat_id = $1`;
    const { message } = await amid(sql, chatId, () => messages.editMessage(chatId, 1, { metadata: { b: 2 } }));
    expect(message).toMatchObject({ text: 'by hand', metadataJson: '{"b":2}' });
    expect(await readRow('message', 'text, metadata', chatId)).toEqual({ text: 'by hand', metadata: { b: 2 } });
  });

  it('the metadata of a chat that gets a title, and the title of one that gets metadata', async () => {
    const chatId = await createChat();
    const bySql = `UPDATE chat SET metadata = '{"by": "hand"}' WHERE id = $1`;
    await amid(bySql, chatId, () => chats.updateChat(chatId, { title: 'new' }));
    expect(await readRow('chat', 'title, metadata', chatId)).toEqual({ title: 'new', metadata: { by: 'hand' } });
    const titled = `UPDATE chat SET title = 'by hand' WHERE id = $1`;
    await amid(titled, chatId, () => chats.updateChat(chatId, { metadata: { b: 2 } }));
    expect(await readRow('chat', 'title, metadata', chatId)).toEqual({ title: 'by hand', metadata: { b: 2 } });
    expect((await running.api.get(`/v1/chats/${chatId}`)).body).toMatchObject({ title: 'by hand', metadata: { b: 2 } });
  });

  it('the role of who leaves, and the read marker of whose role changes', async () => {
    const chatId = await createChat();
    const marked = `UPDATE participant SET last_read_seq = 1 WHERE chat_id = $1 AND user_id = 'bob'`;
    await amid(marked, chatId, () => chats.addParticipant(chatId, 'bob', 'admin'));
    const bob = `AND user_id = 'bob'`;
    expect(await readRow('participant', 'role, last_read_seq', chatId, bob)).toEqual({
      role: 'admin',
      last_read_seq: '1',
    });
    const readonly = `UPDATE participant SET role = 'readonly' WHERE chat_id = $1 AND user_id = 'bob'`;
    await amid(readonly, chatId, () => chats.removeParticipant(chatId, 'bob'));
    expect(await readRow('participant', 'role, left_at IS NULL AS here', chatId, bob)).toEqual({
      role: 'readonly',
      here: false,
    });
  });
});
