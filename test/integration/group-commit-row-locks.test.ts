import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

let database: TestDatabase;
let running: TestInstance;
let chats: ChatRepository;
let messages: MessageRepository;
const clients: Client[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  // The application's side of a deadlock is never the one that is ended.
  await database.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET deadlock_timeout = '10s'`);
  running = await startTestInstance({}, database);
  chats = running.instance.app.get(ChatRepository);
  messages = running.instance.app.get(MessageRepository);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
});
afterAll(async () => {
  await running?.close();
  await database?.drop();
});

async function createChat(): Promise<string> {
  const { chatId } = await chats.createChat({ participants: [{ userId: 'alice' }, { userId: 'bob' }] });
  await send(chatId, 'first');
  return chatId;
}

function createChats(count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, createChat));
}

function send(chatId: string, text: string): Promise<unknown> {
  return messages.createMessage({ chatId, senderId: 'alice', text });
}

/** Begins a transaction as somebody with psql does, and leaves it open. */
async function begin(sql: string, ...values: unknown[]): Promise<Client> {
  const client = new Client({ connectionString: running.database.url });
  clients.push(client);
  await client.connect();
  await client.query('BEGIN');
  await client.query(sql, values);
  return client;
}

/** What promises come to if they come to something while the locks are held. */
async function outcomesOf(...promises: readonly Promise<unknown>[]): Promise<string[]> {
  const deadline = new Promise<string>((resolve) => {
    setTimeout(resolve, 10_000, 'still waiting').unref();
  });
  return Promise.all(
    promises.map((promise) => {
      const outcome = promise.then(
        () => 'answered',
        (error: { code?: string }) => error.code ?? 'failed',
      );
      return Promise.race([outcome, deadline]);
    }),
  );
}

/** Waits until an instance waits for a lock, and has done so for some time. */
async function untilItWaits(leastMs = 0): Promise<void> {
  const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND clock_timestamp() - query_start > $1 * interval '1 ms'`;
  while ((await running.database.query(sql, [leastMs])).length === 0);
}

const MESSAGES = 'SELECT FROM message WHERE chat_id = ANY ($1) FOR UPDATE';
const MEMBERS = 'SELECT FROM participant WHERE chat_id = ANY ($1) FOR UPDATE';
const CHATS = 'SELECT FROM chat WHERE id = ANY ($1) FOR UPDATE';

/** An operation that writes a row of each kind, and what locks that row. */
const WRITES: readonly (readonly [string, lock: string, write: (chatId: string) => Promise<unknown>])[] = [
  ['an edit', MESSAGES, (chatId) => messages.editMessage(chatId, 1, { text: 'edited' })],
  ['a deletion', MESSAGES, (chatId) => messages.deleteMessage(chatId, 1)],
  ['a reaction', MESSAGES, (chatId) => messages.react(chatId, 1, { userId: 'bob', emoji: '!', present: true })],
  ['a read marker', MEMBERS, (chatId) => chats.markRead(chatId, 'bob', 1)],
  ['a change of role', MEMBERS, (chatId) => chats.addParticipant(chatId, 'bob', 'admin')],
  ['a leaving', MEMBERS, (chatId) => chats.removeParticipant(chatId, 'bob')],
  ['a title', CHATS, (chatId) => chats.updateChat(chatId, { title: 'new' })],
  ['a removal', CHATS, (chatId) => chats.deleteChat(chatId)],
];

describe('rows that somebody holds locked', () => {
  it.each(WRITES)('let %s wait, and no other chat, in the same burst or later', async (_what, lock, write) => {
    // More than there are places for transactions of any kind.
    const locked = await createChats(8);
    const [free, later] = await createChats(2);
    const client = await begin(lock, locked);
    const waiting: Promise<unknown>[] = [];
    for (const chatId of locked.slice(0, 3)) {
      waiting.push(write(chatId));
      await new Promise((resolve) => setImmediate(resolve));
    }
    waiting.push(...locked.slice(3).map(write));
    expect(await outcomesOf(send(free!, 'in the burst'), write(free!))).toEqual(['answered', 'answered']);
    expect(await outcomesOf(write(later!))).toEqual(['answered']);
    await client.query('ROLLBACK');
    expect(await outcomesOf(...waiting)).toEqual(locked.map(() => 'answered'));
  });

  it('are written once they are let go, each operation once and in the order in which it came', async () => {
    const [chatId] = await createChats(1);
    const client = await begin(MESSAGES, [chatId]);
    const waiting = [
      messages.editMessage(chatId!, 1, { text: 'edited' }),
      send(chatId!, 'second'),
      messages.react(chatId!, 1, { userId: 'bob', emoji: '!', present: true }),
    ];
    await untilItWaits();
    const later = send(chatId!, 'third');
    await client.query('ROLLBACK');
    await Promise.all([...waiting, later]);
    const rows = await running.database.query(
      'SELECT seq::int, version::int, text FROM message WHERE chat_id = $1 ORDER BY seq',
      [chatId],
    );
    expect(rows).toEqual([
      { seq: 1, version: 5, text: 'edited' },
      { seq: 2, version: 4, text: 'second' },
      { seq: 3, version: 6, text: 'third' },
    ]);
  });

  it('and that are not committed yet, as a reaction that somebody inserts, keep no other chat waiting', async () => {
    const [chatId, ...others] = await createChats(20);
    const client = await begin(`SELECT set_config('scrollback.writer', 'application', true)`);
    await client.query(`INSERT INTO reaction (chat_id, seq, user_id, emoji) VALUES ($1, 1, 'bob', '!')`, [chatId]);
    const waiting = messages.react(chatId!, 1, { userId: 'bob', emoji: '!', present: true });
    const free = others.map((other) => send(other, 'does not wait'));
    expect(await outcomesOf(...free)).toEqual(free.map(() => 'answered'));
    await client.query('ROLLBACK');
    expect(await outcomesOf(waiting)).toEqual(['answered']);
  });

  it('of all chats at once, with their table, let writes wait and refuse none', async () => {
    const all = await createChats(12);
    const client = await begin('LOCK TABLE message IN SHARE MODE');
    const waiting = all.map((chatId) => send(chatId, 'waits'));
    await untilItWaits();
    // Readers get connections of the pool all the while.
    const read = await outcomesOf(...all.map((chatId) => messages.loadMessages(chatId, 1, 10)));
    expect(read).toEqual(all.map(() => 'answered'));
    await client.query('ROLLBACK');
    expect(await outcomesOf(...waiting)).toEqual(all.map(() => 'answered'));
  });
});

describe('who has locked a row and goes on to write it', () => {
  it('gets the chat from the application, which wants the row, and no deadlock', async () => {
    const [chatId] = await createChats(1);
    const client = await begin(MESSAGES, [chatId]);
    // Were there a deadlock, this side would be the one that is ended: later than the application waits for a row, sooner than it waits for a chat.
    await client.query(`SET LOCAL deadlock_timeout = '1400ms'`);
    const waiting = messages.editMessage(chatId!, 1, { text: 'by the application' });
    // Longer than a batch waits: it waits by itself now, with the chat in hand.
    await untilItWaits(100);
    await client.query(`UPDATE message SET metadata = '{"by": "hand"}' WHERE chat_id = $1`, [chatId]);
    await client.query('COMMIT');
    expect(await outcomesOf(waiting)).toEqual(['answered']);
    const [row] = await running.database.query('SELECT text, metadata FROM message WHERE chat_id = $1', [chatId]);
    expect(row).toEqual({ text: 'by the application', metadata: { by: 'hand' } });
  });
});
