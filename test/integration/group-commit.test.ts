import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { MessageCache } from '../../src/cache/message-cache.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { COUNT_UNREAD } from '../../src/storage/statements/count-unread.js';
import type { OperationResult } from '../../src/storage/write/chat-operation.js';
import { GroupCommit } from '../../src/storage/write/group-commit.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

let running: TestInstance;
let chats: ChatRepository;
let messages: MessageRepository;

beforeAll(async () => {
  running = await startTestInstance({ WRITE_QUEUE_MAX: '20000' });
  chats = running.instance.app.get(ChatRepository);
  messages = running.instance.app.get(MessageRepository);
});
afterAll(() => running.close());

async function createChat(): Promise<string> {
  const { chatId } = await chats.createChat({ participants: [{ userId: 'alice' }, { userId: 'bob' }] });
  return chatId;
}

function send(
  chatId: string,
  text: string,
  more: { clientId?: string; replyTo?: number } = {},
): Promise<OperationResult> {
  return messages.createMessage({ chatId, senderId: 'alice', text, ...more });
}

/** The line of a chat as the database has it; it must have no hole. */
async function readLine(chatId: string): Promise<string[]> {
  const rows = await running.database.query<{ seq: string; version: string; text: string }>(
    'SELECT seq, version, text FROM message WHERE chat_id = $1 ORDER BY seq',
    [chatId],
  );
  const [head] = await running.database.query<{ last_seq: string }>(
    'SELECT last_seq FROM chat_head WHERE chat_id = $1',
    [chatId],
  );
  expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_row, at) => at + 1));
  expect(Number(head!.last_seq)).toBe(rows.length);
  return rows.map(({ text }) => text);
}

/** How many promises came to what: `ok`, or the code of the error. */
async function countOutcomes(promises: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const outcome of await Promise.allSettled(promises)) {
    const code = outcome.status === 'fulfilled' ? 'ok' : String((outcome.reason as { code?: string }).code);
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

describe('the group commit', () => {
  it('numbers a burst to one chat in the order in which it came, in few transactions', async () => {
    const chatId = await createChat();
    const sizes: number[] = [];
    running.instance.app.get(GroupCommit).observe({ onBatch: (size) => sizes.push(size) });
    const texts = Array.from({ length: 500 }, (_unused, at) => `burst ${at}`);
    const results = await Promise.all(texts.map((text) => send(chatId, text)));
    expect(results.map(({ message }) => message!.seq)).toEqual(texts.map((_text, at) => at + 1));
    expect(results.map(({ version }) => version)).toEqual(texts.map((_text, at) => at + 2));
    expect(await readLine(chatId)).toEqual(texts);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(500);
    expect(sizes.length).toBeLessThan(10);
  });

  it('numbers a burst to many chats without a hole in any of them', async () => {
    const chatIds = await Promise.all(Array.from({ length: 60 }, createChat));
    const plan = Array.from({ length: 20 }, (_unused, at) =>
      chatIds.map((chatId) => ({ chatId, text: `${at}` })),
    ).flat();
    await Promise.all(plan.map(({ chatId, text }) => send(chatId, text)));
    for (const chatId of chatIds)
      expect(await readLine(chatId)).toEqual(Array.from({ length: 20 }, (_unused, at) => `${at}`));
  });

  it('commits in the order in which one chat was written to, whatever the operations are', async () => {
    const chatId = await createChat();
    await send(chatId, 'first');
    const results = await Promise.all([
      messages.editMessage(chatId, 1, { text: 'edited' }),
      send(chatId, 'second'),
      messages.react(chatId, 1, { userId: 'bob', emoji: '👍', present: true }),
      chats.addParticipant(chatId, 'carol'),
      chats.markRead(chatId, 'bob', 2),
      messages.deleteMessage(chatId, 1),
      chats.updateChat(chatId, { title: 'new' }),
      send(chatId, 'third'),
      chats.removeParticipant(chatId, 'carol'),
    ]);
    expect(results.map(({ version }) => version)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(results[2]!.message).toMatchObject({
      text: 'edited',
      reactions: [{ emoji: '👍', count: 1, userIds: ['bob'] }],
    });
  });

  it('lets one bad operation of a burst fail alone, and burns no number for it', async () => {
    const chatId = await createChat();
    const other = await createChat();
    const burst = Array.from({ length: 60 }, (_unused, at) => {
      if (at === 20) return send(chatId, 'reply', { replyTo: 999 });
      // The database refuses this one: it comes past the checks of the HTTP side.
      if (at === 40) return send(chatId, 'nul \u0000');
      return send(at % 3 === 0 ? other : chatId, `good ${at}`);
    });
    expect(await countOutcomes(burst)).toEqual({ ok: 58, reply_target_missing: 1, '22021': 1 });
    expect((await readLine(chatId)).length + (await readLine(other)).length).toBe(58);
    expect((await send(chatId, 'next')).message!.seq).toBe((await readLine(chatId)).length);
  });

  it('refuses what goes to a chat that does not exist, and nothing else', async () => {
    const chatId = await createChat();
    const missing = '00000000-0000-7000-8000-000000000000';
    const burst = Array.from({ length: 40 }, (_unused, at) => send(at % 2 === 0 ? chatId : missing, `${at}`));
    expect(await countOutcomes(burst)).toEqual({ ok: 20, chat_not_found: 20 });
    expect(await readLine(chatId)).toHaveLength(20);
  });

  it('stores a message that is sent fifty times at once with one clientId only once', async () => {
    const chatId = await createChat();
    const results = await Promise.all(Array.from({ length: 50 }, () => send(chatId, 'again', { clientId: 'k' })));
    expect(results.filter(({ replayed }) => replayed === false)).toHaveLength(1);
    expect(results.filter(({ replayed }) => replayed === true)).toHaveLength(49);
    expect(new Set(results.map(({ message }) => JSON.stringify(message))).size).toBe(1);
    expect(await readLine(chatId)).toEqual(['again']);
    const conflicts = Array.from({ length: 20 }, () => send(chatId, 'other', { clientId: 'k' }));
    expect(await countOutcomes(conflicts)).toEqual({ client_id_conflict: 20 });
    expect(await send(chatId, 'next')).toMatchObject({ version: 3, message: { seq: 2 } });
  });

  it('counts what a reader has not read right when messages follow the read marker in the same transaction', async () => {
    const cache = running.instance.app.get(MessageCache);
    const unreadOf = async (chatId: string): Promise<number> =>
      (await cache.getUserChats('bob', { limit: 200 })).value.items.find(({ chat }) => chat.id === chatId)!.unread;
    const chatId = await createChat();
    for (let seq = 1; seq <= 4; seq++) await send(chatId, `${seq}`);
    expect(await unreadOf(chatId)).toBe(4);
    const [read] = await Promise.all([
      chats.markRead(chatId, 'bob', 2),
      send(chatId, 'after the marker'),
      messages.deleteMessage(chatId, 4),
    ]);
    const [counted] = await running.database.query<{ unread: string }>(COUNT_UNREAD.text, ['bob', [chatId]]);
    expect(Number(counted!.unread)).toBe(2);
    expect(await unreadOf(chatId)).toBe(2);
    // The answer is of the version that it names: before the others.
    expect(read).toMatchObject({ version: 6, unread: 2 });
    await Promise.all([chats.markRead(chatId, 'bob', 3), messages.deleteMessage(chatId, 5)]);
    expect(await unreadOf(chatId)).toBe(0);
    await send(chatId, 'one more');
    expect(await unreadOf(chatId)).toBe(1);
  });

  it('writes reactions of many to one message in few transactions, a version each, and shows them as the database has them', async () => {
    const cache = running.instance.app.get(MessageCache);
    const chatId = await createChat();
    await send(chatId, 'popular');
    const gone = { userId: 'user 0', emoji: '👎' };
    await messages.react(chatId, 1, { ...gone, present: true });
    await cache.getMessages(chatId, {});
    const sizes: number[] = [];
    running.instance.app.get(GroupCommit).observe({ onBatch: (size) => sizes.push(size) });
    const results = await Promise.all([
      ...Array.from({ length: 150 }, (_unused, at) =>
        messages.react(chatId, 1, { userId: `user ${at}`, emoji: at % 3 === 0 ? '🎉' : '👍', present: true }),
      ),
      messages.react(chatId, 1, { ...gone, present: false }),
      send(chatId, 'behind'),
    ]);
    expect(results.map(({ version }) => version)).toEqual(results.map((_result, at) => at + 4));
    expect(sizes.length).toBeLessThan(8);
    const [row] = await running.database.query<{ version: string; reactions: string }>(
      `SELECT version, (SELECT count(*) FROM reaction r WHERE (r.chat_id, r.seq) = (m.chat_id, m.seq)) AS reactions
       FROM message m WHERE chat_id = $1 AND seq = 1`,
      [chatId],
    );
    expect({ version: Number(row!.version), reactions: Number(row!.reactions) }).toEqual({
      version: 154,
      reactions: 150,
    });
    const shown = (await running.api.page(chatId)).items;
    expect(shown[0]!.reactions!.map(({ emoji, count }) => [emoji, count])).toEqual([
      ['🎉', 50],
      ['👍', 100],
    ]);
    // What was applied change by change is what a reader of the database gets.
    const { body } = await running.api.post<object>('/v1/admin/cache/verify', { chatIds: [chatId] });
    expect(body).toMatchObject({ checked: 1, divergent: [] });
  });

  it('does not let chats with long queues keep another chat waiting', async () => {
    const [one, other, third] = await Promise.all([createChat(), createChat(), createChat()]);
    let answered = 0;
    const count = (): void => {
      answered++;
    };
    const long = [one, other].flatMap((chatId) =>
      Array.from({ length: 5000 }, (_unused, at) => send(chatId, `${at}`).then(count)),
    );
    await send(third, 'short');
    // It came last of all, but waits for no more than the batches that were under way and one of each in between.
    expect(answered).toBeLessThan(5000);
    await Promise.all(long);
    expect(await readLine(one)).toHaveLength(5000);
  }, 120_000);
});

describe('a full write queue', () => {
  it('refuses what does not fit, at once, and writes what does', async () => {
    const small = await startTestInstance({ WRITE_QUEUE_MAX: '100' });
    try {
      const { chatId } = await small.instance.app.get(ChatRepository).createChat({});
      const repository = small.instance.app.get(MessageRepository);
      const burst = Array.from({ length: 300 }, (_unused, at) =>
        repository.createMessage({ chatId, senderId: 'alice', text: `${at}` }),
      );
      expect(await countOutcomes(burst)).toEqual({ ok: 100, write_queue_full: 200 });
      const { items, version } = await small.api.page(chatId, '?limit=200');
      expect(items.map(({ text }) => text)).toEqual(Array.from({ length: 100 }, (_unused, at) => `${at}`));
      expect(version).toBe(101);
      expect(small.instance.app.get(GroupCommit).status.queueLength).toBe(0);
      expect((await repository.createMessage({ chatId, senderId: 'alice', text: 'again' })).message!.seq).toBe(101);
    } finally {
      await small.close();
    }
  });
});

describe('chats that somebody holds locked', () => {
  const clients: Client[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
  });

  /** Locks the heads of chats as somebody with an open transaction does. */
  async function lock(...chatIds: readonly string[]): Promise<Client> {
    const client = new Client({ connectionString: running.database.url });
    clients.push(client);
    await client.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM chat_head WHERE chat_id = ANY ($1) FOR UPDATE', [chatIds]);
    return client;
  }

  /** Sends to each chat in a batch of its own, as different callers would come. */
  async function sendOneByOne(chatIds: readonly string[]): Promise<Promise<unknown>[]> {
    const waiting: Promise<unknown>[] = [];
    for (const chatId of chatIds) {
      waiting.push(send(chatId, 'waits'));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return waiting;
  }

  /** Waits until an instance waits for as many locks. */
  async function untilWaitingFor(locks: number): Promise<void> {
    const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    while ((await running.database.query(sql)).length < locks);
  }

  /** What a promise comes to if it comes to something while the locks are held. */
  async function outcomeWithin(promise: Promise<unknown>): Promise<string> {
    const deadline = new Promise<string>((resolve) => {
      setTimeout(resolve, 10_000, 'still waiting').unref();
    });
    const outcome = promise.then(
      () => 'answered',
      (error: { code?: string }) => error.code ?? 'failed',
    );
    return Promise.race([outcome, deadline]);
  }

  it('keep no write to another chat waiting, in the same burst or later', async () => {
    const locked = await Promise.all([createChat(), createChat(), createChat(), createChat()]);
    const [free, later] = await Promise.all([createChat(), createChat()]);
    const client = await lock(...locked);
    const burst = [...locked, free, ...locked].map((chatId) => send(chatId, 'burst'));
    const waiting = await sendOneByOne(locked);
    expect(await outcomeWithin(burst[locked.length]!)).toBe('answered');
    expect(await outcomeWithin(send(later, 'does not wait'))).toBe('answered');
    await client.query('ROLLBACK');
    await Promise.all([...burst, ...waiting]);
    for (const chatId of locked) expect(await readLine(chatId)).toEqual(['burst', 'burst', 'waits']);
  });

  it('keep nobody waiting who writes to a chat that does not exist', async () => {
    const locked = await Promise.all([createChat(), createChat(), createChat(), createChat()]);
    const client = await lock(...locked);
    const waiting = await sendOneByOne(locked);
    const outcome = await outcomeWithin(send('00000000-0000-7000-8000-000000000000', 'nowhere'));
    await client.query('ROLLBACK');
    await Promise.all(waiting);
    expect(outcome).toBe('chat_not_found');
  });

  it('keep no chat waiting that was locked for a moment only, as by another instance', async () => {
    const locked = await Promise.all([createChat(), createChat(), createChat()]);
    const brief = await createChat();
    const client = await lock(...locked);
    const moment = await lock(brief);
    const waiting = [...locked, brief].map((chatId) => send(chatId, 'waits'));
    await untilWaitingFor(locked.length);
    await moment.query('ROLLBACK');
    const outcome = await outcomeWithin(waiting.at(-1)!);
    await client.query('ROLLBACK');
    await Promise.all(waiting);
    expect(outcome).toBe('answered');
  });
});
