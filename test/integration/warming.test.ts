import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { CacheState } from '../../src/cache/cache-state.js';
import { Warmer } from '../../src/cache/lifecycle/warmer.js';
import { MessageCache } from '../../src/cache/message-cache.js';
import { ChatReader } from '../../src/cache/read/chat-reader.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { Database } from '../../src/storage/database.js';
import { HeatRepository } from '../../src/storage/heat-repository.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { COPY_TAILS, SET_TAILS } from '../../src/storage/statements/load-tails.js';
import { TailRepository } from '../../src/storage/tail-repository.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { takeSnapshot, type CacheSnapshot } from './cache-snapshot.js';

const TEXTS = ['hello', 'a "quoted" \\ text', 'é🍕\u2028\n\t\u0001', 'x'.repeat(9000), ' ', '\u{10ffff}\u007f'];
const USERS = ['alice', 'bob', 'Ünal 🍕 "the user"'];
/** A tail that begins inside a block. */
const SETTINGS = { CACHE_TAIL_MESSAGES: '100' };

async function warmInstance(database: TestDatabase, settings: Record<string, string> = {}): Promise<TestInstance> {
  const running = await startTestInstance({ ...SETTINGS, ...settings }, database);
  const warmer = running.instance.app.get(Warmer);
  expect(await waitUntil(() => warmer.status.state === 'warm', 20_000)).toBe(true);
  return running;
}

/** An instance that holds nothing: what it is asked, it reads chat by chat. */
async function coldInstance(database: TestDatabase): Promise<TestInstance> {
  const running = await warmInstance(database);
  running.instance.app.get(CacheState).store.clear();
  return running;
}

/** Makes chats of every kind: long, short, empty, deleted, with holes, and with every kind of message. */
async function fillDatabase({ instance, database }: TestInstance): Promise<string[]> {
  const chats = instance.app.get(ChatRepository);
  const messages = instance.app.get(MessageRepository);
  const chatIds: string[] = [];
  for (const [position, count] of [250, 64, 65, 1, 0, 130, 12].entries()) {
    const participants = USERS.slice(1).map((userId) => ({ userId }));
    const { chatId } = await chats.createChat({ title: `chat ${position}`, createdBy: USERS[0], participants });
    chatIds.push(chatId);
    for (let seq = 1; seq <= count; seq++) {
      await messages.createMessage({
        chatId,
        senderId: USERS[seq % 3]!,
        text: TEXTS[seq % TEXTS.length]!,
        clientId: seq % 2 === 0 ? `client "${seq}" é` : undefined,
        replyTo: seq % 5 === 0 ? seq - 1 : undefined,
        kind: seq % 11 === 0 ? 'system' : 'user',
        metadata: seq % 7 === 0 ? { b: 1, a: ['ü', 1.5, null], ' ': { c: ': , "' } } : undefined,
      });
      if (seq % 13 === 0) await messages.editMessage(chatId, seq - 1, { text: `edited "${seq}"` });
      if (seq % 17 === 0) await messages.deleteMessage(chatId, seq - 2);
      if (seq % 9 === 0) {
        for (const userId of USERS) await messages.react(chatId, seq, { userId, emoji: '👍', present: true });
        await messages.react(chatId, seq, { userId: 'bob', emoji: '"', present: true });
      }
    }
    if (count > 20) await chats.markRead(chatId, 'bob', count - 15);
  }
  await chats.deleteChat(chatIds[6]!);
  // What a person may do to the rows by hand, at its bluntest.
  await database.query('DELETE FROM message WHERE chat_id = $1 AND seq IN (1, 130)', [chatIds[5]]);
  await database.query('DELETE FROM message WHERE chat_id = $1 AND seq BETWEEN 60 AND 70', [chatIds[5]]);
  await database.query(`UPDATE message SET metadata = '{}' WHERE chat_id = $1 AND seq = 2`, [chatIds[1]]);
  await database.query(`UPDATE message SET created_at = '1969-12-31 23:59:59.999Z' WHERE chat_id = $1 AND seq = 3`, [
    chatIds[1],
  ]);
  return chatIds;
}

function expectSame(told: CacheSnapshot, expected: CacheSnapshot): void {
  expect([...told.keys()]).toEqual([...expected.keys()]);
  for (const [what, answer] of expected) {
    if (told.get(what) !== answer) expect(`${what}: ${told.get(what)}`).toBe(`${what}: ${answer}`);
  }
}

describe('a warm instance', () => {
  let writer: TestInstance;
  let chatIds: string[];
  /** What an instance tells that reads each chat when it is asked. */
  let expected: CacheSnapshot;

  beforeAll(async () => {
    writer = await startTestInstance();
    chatIds = await fillDatabase(writer);
    const cold = await coldInstance(writer.database);
    expected = await takeSnapshot(cold, chatIds, USERS);
    await cold.close();
    expect(expected.size).toBeGreaterThan(1000);
  }, 60_000);
  afterAll(() => writer.close());

  it('tells byte for byte what one tells that reads each chat when it is asked', async () => {
    const warm = await warmInstance(writer.database);
    try {
      const { status } = warm.instance.app.get(Warmer);
      expect(status).toMatchObject({ chats: 7, totalChats: 7 });
      // 250 without 2 blocks, 64, 65, 1, and 130 without 13 that are gone.
      expect(status.messages).toBe(250 - 128 + 64 + 65 + 1 + 130 - 13);
      const loadsBefore = warm.instance.app.get(Database).counts.read;
      await warm.instance.app.get(MessageCache).getMessages(chatIds[0]!, { limit: 100 });
      expect(warm.instance.app.get(Database).counts.read).toBe(loadsBefore);
      expectSame(await takeSnapshot(warm, chatIds, USERS), expected);
    } finally {
      await warm.close();
    }
  }, 60_000);

  it('misses nothing that is written while it warms', async () => {
    const database = await createTestDatabase();
    const running = await warmInstance(database);
    try {
      const { app } = running.instance;
      const created = await Promise.all(
        Array.from({ length: 40 }, () => app.get(ChatRepository).createChat({ createdBy: 'alice' })),
      );
      const ids = created.map(({ chatId }) => chatId);
      const send = (text: string): Promise<unknown> =>
        Promise.all(ids.map((chatId) => app.get(MessageRepository).createMessage({ chatId, senderId: 'alice', text })));
      for (let round = 1; round <= 20; round++) {
        app.get(CacheState).store.clear();
        const warming = app.get(ChatReader).warmMany(ids);
        await Promise.all([send(`meanwhile ${round}`), send(`meanwhile, too ${round}`), warming]);
        expect(app.get(CacheState).store.chatCount).toBe(ids.length);
        for (const chatId of ids) {
          const page = await app.get(MessageCache).getMessages(chatId, { limit: 200 });
          expect(page!.value.items).toHaveLength(2 * round);
        }
      }
      const cold = await coldInstance(database);
      try {
        const few = ids.slice(0, 4);
        expectSame(await takeSnapshot(running, few, ['alice']), await takeSnapshot(cold, few, ['alice']));
      } finally {
        await cold.close();
      }
    } finally {
      await running.close();
      await database.drop();
    }
  }, 60_000);

  it('comes up when the first batch fails, and has everything', async () => {
    const { loadTails } = TailRepository.prototype;
    let failures = 2;
    TailRepository.prototype.loadTails = async function (this: TailRepository, ids, tail, blockSize, sink) {
      const breaking = failures-- > 0;
      // In the middle of the rows: what came before may be kept, what comes after must come again.
      let rows = 0;
      await loadTails.call(this, ids, tail, blockSize, {
        onChats: (chats) => sink.onChats(chats),
        onMessage: (row) => {
          if (breaking && ++rows === 100) throw new Error('broken on purpose');
          sink.onMessage(row);
        },
      });
    };
    try {
      const warm = await warmInstance(writer.database);
      try {
        expect(failures).toBeLessThan(0);
        expectSame(await takeSnapshot(warm, chatIds, USERS), expected);
      } finally {
        await warm.close();
      }
    } finally {
      TailRepository.prototype.loadTails = loadTails;
    }
  }, 60_000);

  it('says in health and metrics how far it has come', async () => {
    const warm = await warmInstance(writer.database);
    try {
      const { status, body } = (await warm.api.get('/health/startup')) as {
        status: number;
        body: { details: { cache: object } };
      };
      expect(status).toBe(200);
      const { chats, messages } = warm.instance.app.get(Warmer).status;
      expect(body.details.cache).toMatchObject({ state: 'warm', chats, totalChats: 7, messages });
      const metrics = await (await fetch(`${warm.instance.url}/metrics`)).text();
      expect(metrics).toContain(`scrollback_cache_warm_messages ${messages}\n`);
    } finally {
      await warm.close();
    }
  });
});

describe('the query of warming', () => {
  it('looks up each chat by itself in an index, with statistics or without', async () => {
    const database = await createTestDatabase();
    try {
      await database.query('INSERT INTO chat (title) SELECT c::text FROM generate_series(1, 300) c');
      await database.query(
        `INSERT INTO message (chat_id, seq, sender_id, text) SELECT id, s, 'ann', 'hello' FROM chat, generate_series(1, 100) s`,
      );
      const ids = (await database.query<{ id: string }>('SELECT id FROM chat')).map(({ id }) => id);
      const copied = /COPY \((.*)\) TO STDOUT/s.exec(COPY_TAILS.text)![1]!;
      const explain = async (): Promise<string> => {
        await database.query('BEGIN');
        await database.query(SET_TAILS.text, [ids.slice(0, 200).join(','), 100, 64]);
        const lines = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${copied}`);
        await database.query('COMMIT');
        return lines.map((line) => line['QUERY PLAN']).join('\n');
      };
      for (const prepare of ['SELECT', 'VACUUM ANALYZE']) {
        await database.query(prepare);
        const plan = await explain();
        expect(plan).toMatch(/(Index Scan using|Bitmap Index Scan on) message_pkey/);
        expect(plan).not.toMatch(/Hash|Merge|Memoize|Gather|Seq Scan on message/);
      }
      expect(await explain()).toContain('Index Scan using message_pkey');
    } finally {
      await database.drop();
    }
  });
});

describe('saved heat', () => {
  let database: TestDatabase;
  let source: DataSource;
  let heat: HeatRepository;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(storageOptions({ url: database.url })).initialize();
    heat = new HeatRepository(new Database(source));
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const record = (number: number): { chatId: string; version: number } => ({
    chatId: `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`,
    version: 1,
  });
  const saved = async (): Promise<number[]> => {
    const rows = await database.query<{ chat_id: string }>('SELECT chat_id FROM cache_heat ORDER BY rank, chat_id');
    return rows.map((row) => Number(row.chat_id.slice(-12)));
  };

  it('is not thrown away by another instance that saves its own', async () => {
    await heat.save([record(1), record(2)], 60_000);
    await heat.save([record(3), record(2)], 60_000);
    expect((await saved()).sort()).toEqual([1, 2, 3]);
  });

  it('is forgotten when nobody saves it again', async () => {
    await database.query(`UPDATE cache_heat SET saved_at = now() - interval '2 minutes'`);
    await heat.save([record(2), record(4)], undefined);
    expect((await saved()).sort()).toEqual([1, 2, 3, 4]);
    await heat.save([record(4), record(2)], 60_000);
    expect(await saved()).toEqual([4, 2]);
  });

  it('is saved by instances that do so at once, without a deadlock', async () => {
    const all = Array.from({ length: 3000 }, (_unused, at) => record(at));
    const orders = [
      all,
      [...all].reverse(),
      all.filter((_each, at) => at % 2 === 0),
      [...all].reverse().slice(0, 2000),
    ];
    for (let round = 0; round < 5; round++) {
      await database.query(
        `UPDATE cache_heat SET saved_at = now() - interval '2 minutes' WHERE chat_id::text LIKE '%7'`,
      );
      await Promise.all(orders.map((order) => heat.save(order, 60_000)));
    }
    expect(await saved()).toHaveLength(3000);
  });

  it('is what the next start begins with', async () => {
    const own = await createTestDatabase();
    const first = await startTestInstance({}, own);
    const ids: string[] = [];
    for (let made = 0; made < 5; made++) {
      ids.push((await first.instance.app.get(ChatRepository).createChat({ createdBy: 'alice' })).chatId);
    }
    const asked = [ids[3]!, ids[0]!, ids[4]!];
    for (const chatId of [...asked].reverse()) await first.instance.app.get(MessageCache).getChat(chatId);
    await first.close();
    const second = await warmInstance(own);
    try {
      const order = await second.instance.app.get(HeatRepository).loadHottest(10);
      expect(order.slice(0, 3)).toEqual(asked);
      expect(order).toHaveLength(5);
    } finally {
      await second.close();
      await own.drop();
    }
  });
});
