import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { Database, type Transaction, type TransactionOptions } from '../../src/storage/database.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import type { Actor, OperationResult } from '../../src/storage/write/chat-operation.js';
import { GroupCommit } from '../../src/storage/write/group-commit.js';
import { expectRefused } from '../e2e/expect-answer.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const FAULTY = 'faulty';

let running: TestInstance;
let chats: ChatRepository;
let messages: MessageRepository;
let chatId: string;

beforeAll(async () => {
  running = await startTestInstance();
  chats = running.instance.app.get(ChatRepository);
  messages = running.instance.app.get(MessageRepository);
  // A sequence counts what is rolled back as well.
  await running.database.query(`CREATE TABLE fault (code text, times int)`);
  await running.database.query(`CREATE SEQUENCE attempts`);
  await running.database.query(`
    CREATE FUNCTION fail_some() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE wanted fault;
    BEGIN
      SELECT * INTO wanted FROM fault;
      IF FOUND AND nextval('attempts') <= wanted.times THEN RAISE EXCEPTION 'made up' USING ERRCODE = wanted.code; END IF;
      RETURN NEW;
    END $$`);
  await running.database.query(
    `CREATE TRIGGER fail_some BEFORE INSERT ON message FOR EACH ROW WHEN (NEW.text = '${FAULTY}') EXECUTE FUNCTION fail_some()`,
  );
});
beforeEach(async () => {
  chatId = (await chats.createChat({ participants: [{ userId: 'alice' }, { userId: 'bob' }] })).chatId;
});
afterAll(() => running.close());

/** Makes the database refuse faulty messages some times with a SQLSTATE. */
async function refuse(code: string, times: number): Promise<void> {
  await running.database.query('DELETE FROM fault');
  await running.database.query('INSERT INTO fault VALUES ($1, $2)', [code, times]);
  await running.database.query('ALTER SEQUENCE attempts RESTART');
}

async function countAttempts(): Promise<number> {
  const [row] = await running.database.query<{ attempts: string }>(
    'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS attempts FROM attempts',
  );
  return Number(row!.attempts);
}

function send(text: string, clientId?: string, actor?: Actor, chat = chatId): Promise<OperationResult> {
  return messages.createMessage({ chatId: chat, senderId: 'alice', text, clientId }, actor);
}

async function readHead(): Promise<unknown> {
  const [row] = await running.database.query(
    `SELECT h.last_seq::int, h.version::int, (SELECT count(*)::int FROM message m WHERE m.chat_id = h.chat_id) AS messages
     FROM chat_head h WHERE h.chat_id = $1`,
    [chatId],
  );
  return row;
}

describe('a transaction that the database refuses', () => {
  it.each(['40001', '40P01', '57P01', '08006'])(
    'with %s is tried again, and writes each message once',
    async (code) => {
      await refuse(code, 2);
      const results = await Promise.all([send('before'), send(FAULTY, 'k'), send('behind')]);
      expect(results.map(({ message }) => message!.seq)).toEqual([1, 2, 3]);
      expect(await countAttempts()).toBe(3);
      expect(await send(FAULTY, 'k')).toMatchObject({ replayed: true, message: { seq: 2 } });
      expect(await readHead()).toEqual({ last_seq: 3, version: 4, messages: 3 });
    },
  );

  it('with a transient state again and again is given up with 503, and nothing is written', async () => {
    await refuse('40001', 1000);
    const answer = await running.api.as('alice').post(`/v1/chats/${chatId}/messages`, { text: FAULTY, clientId: 'k' });
    expectRefused(answer, 503, 'database_unavailable');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await countAttempts()).toBe(5);
    expect(await readHead()).toEqual({ last_seq: 0, version: 1, messages: 0 });
    // The same send again finds no trace of the first.
    await refuse('40001', 0);
    expect(await send(FAULTY, 'k')).toMatchObject({ replayed: false, message: { seq: 1 }, version: 2 });
  });

  it.each(['23514', 'P0001', '22P02'])(
    'with %s is not tried again: what it was refused for fails alone',
    async (code) => {
      await refuse(code, 1000);
      const outcomes = await Promise.allSettled([send('before'), send(FAULTY), send('behind')]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      // Once in the batch of three, and once by itself.
      expect(await countAttempts()).toBe(2);
      expect(await readHead()).toEqual({ last_seq: 2, version: 3, messages: 2 });
    },
  );
});

describe('transactions in flight', () => {
  it('are at most one for each chat, and several over different chats', async () => {
    const other = (await chats.createChat({})).chatId;
    const isIn = (column: Buffer, id: string): boolean => column.includes(Buffer.from(id.replaceAll('-', ''), 'hex'));
    const database = running.instance.app.get(Database);
    const transaction = database.transaction.bind(database);
    const inFlight = new Map<string, number>();
    let open = 0;
    let mostOpen = 0;
    let mostOfOne = 0;
    database.transaction = (<T>(work: (transaction: Transaction) => Promise<T>, options?: TransactionOptions) => {
      const mine: string[] = [];
      mostOpen = Math.max(mostOpen, ++open);
      return transaction(async (inner) => {
        const query: Transaction['query'] = (statement, values) => {
          if (statement.name.startsWith('lock-')) {
            for (const id of [chatId, other].filter((each) => isIn(values[0] as Buffer, each))) {
              mine.push(id);
              inFlight.set(id, (inFlight.get(id) ?? 0) + 1);
              mostOfOne = Math.max(mostOfOne, inFlight.get(id)!);
            }
          }
          return inner.query(statement, values);
        };
        return work({
          query,
          copyIn: (statement, rows) => inner.copyIn(statement, rows),
          copyOut: (statement, sink) => inner.copyOut(statement, sink),
          commit: () => inner.commit(),
        });
      }, options).finally(() => {
        open--;
        for (const id of mine) {
          const left = inFlight.get(id)! - 1;
          if (left === 0) inFlight.delete(id);
          else inFlight.set(id, left);
        }
      });
    }) as typeof database.transaction;
    try {
      const sent: Promise<unknown>[] = [];
      for (let at = 0; at < 200; at++) {
        sent.push(send(`${at}`, undefined, undefined, at % 2 === 0 ? chatId : other));
        // As different callers would come.
        if (at % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(sent);
      expect({ mostOpen, mostOfOne }).toEqual({ mostOpen: 2, mostOfOne: 1 });
    } finally {
      database.transaction = transaction;
    }
  });

  it('begin at once when nothing else is under way: a lone operation is a batch of one', async () => {
    const sizes: number[] = [];
    running.instance.app.get(GroupCommit).observe({ onBatch: (size) => sizes.push(size) });
    for (let at = 0; at < 5; at++) await send(`${at}`);
    expect(sizes).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('a full write queue over HTTP', () => {
  it('is 503 with Retry-After, and holds nobody up once there is room again', async () => {
    const small = await startTestInstance({ WRITE_QUEUE_MAX: '3' }, running.database);
    const holder = new Client({ connectionString: running.database.url });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [chatId]);
      const post = (text: string): ReturnType<typeof small.api.post> =>
        small.api.as('alice').post(`/v1/chats/${chatId}/messages`, { text, clientId: text });
      const waiting = ['1', '2', '3'].map(post);
      const commit = small.instance.app.get(GroupCommit);
      while (commit.status.queueLength < 3) await new Promise((resolve) => setImmediate(resolve));
      const refused = await post('4');
      expectRefused(refused, 503, 'write_queue_full');
      expect(refused.headers.get('retry-after')).toBe('1');
      await holder.query('COMMIT');
      expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 201, 201]);
      expect(await post('4')).toMatchObject({ status: 201, body: { seq: 4 } });
    } finally {
      await holder.end();
      await small.close();
    }
  });
});

describe('roles', () => {
  const bob: Actor = { type: 'user', userId: 'bob' };
  const codesOf = async (promises: readonly Promise<unknown>[]): Promise<string[]> =>
    (await Promise.allSettled(promises)).map((outcome) =>
      outcome.status === 'fulfilled' ? 'ok' : String((outcome.reason as { code?: string }).code),
    );
  const sendAsBob = (text: string): Promise<unknown> => messages.createMessage({ chatId, senderId: 'bob', text }, bob);

  it('bind from the moment they are given, also what is sent in the same burst', async () => {
    const codes = await codesOf([
      sendAsBob('as member'),
      chats.addParticipant(chatId, 'bob', 'readonly'),
      sendAsBob('as reader'),
      chats.markRead(chatId, 'bob', 1, bob),
      messages.editMessage(chatId, 1, { text: 'as reader' }, bob),
      chats.addParticipant(chatId, 'bob', 'admin'),
      chats.updateChat(chatId, { title: 'as admin' }, bob),
      chats.addParticipant(chatId, 'carol', 'owner', bob),
      chats.addParticipant(chatId, 'carol', 'member', bob),
      chats.deleteChat(chatId, bob),
      chats.removeParticipant(chatId, 'bob'),
      sendAsBob('from outside'),
      messages.react(chatId, 1, { userId: 'bob', emoji: 'ok', present: true }, bob),
    ]);
    expect(codes).toEqual([
      'ok',
      'ok',
      'forbidden',
      'ok',
      'forbidden',
      'ok',
      'ok',
      'forbidden',
      'ok',
      'forbidden',
      'ok',
      'chat_not_found',
      'chat_not_found',
    ]);
    expect(await readHead()).toEqual({ last_seq: 1, version: 8, messages: 1 });
  });

  it('let members edit and delete their own messages, and admins those of others', async () => {
    const carol: Actor = { type: 'user', userId: 'carol' };
    await chats.addParticipant(chatId, 'carol', 'admin');
    for (const text of ['one', 'two']) await sendAsBob(text);
    await send('by alice');
    const codes = await codesOf([
      messages.editMessage(chatId, 1, { text: 'mine' }, bob),
      messages.editMessage(chatId, 3, { text: 'not mine' }, bob),
      messages.deleteMessage(chatId, 3, bob),
      messages.deleteMessage(chatId, 2, bob),
      messages.editMessage(chatId, 1, { text: 'by an admin' }, carol),
      messages.deleteMessage(chatId, 3, carol),
      chats.removeParticipant(chatId, 'alice', bob),
      chats.removeParticipant(chatId, 'alice', carol),
      chats.removeParticipant(chatId, 'bob', bob),
    ]);
    expect(codes).toEqual(['ok', 'forbidden', 'forbidden', 'ok', 'ok', 'ok', 'forbidden', 'ok', 'ok']);
  });
});
