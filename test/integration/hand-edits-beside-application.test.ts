import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { Poller } from '../../src/cache/coherence/poller.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { storageOptions } from '../../src/storage/data-source-options.js';
import type { Statement } from '../../src/storage/database.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { migrate } from '../../src/storage/migrate.js';
import { LOCK_HEADS } from '../../src/storage/statements/lock-heads.js';
import {
  CREATE_CHAT,
  DELETE_MESSAGES,
  EDIT_MESSAGES,
  INSERT_MESSAGES,
  MOVE_HEADS,
  WRITE_PARTICIPANTS,
  WRITE_REACTIONS,
} from '../../src/storage/statements/write-rows.js';
import { ChatReplica } from '../e2e/chat-replica.js';
import { DEADLINE_MS } from '../support/process.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectSound, insertChat, readHead, readPlaces } from './hand-edit-checks.js';

let running: TestInstance;
let messages: MessageRepository;
const clients: Client[] = [];

beforeAll(async () => {
  running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
  messages = running.instance.app.get(MessageRepository);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await expectSound(running.database);
});
afterAll(() => running.close());

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: running.database.url });
  clients.push(client);
  await client.connect();
  return client;
}

/** Waits until some sessions of this database wait for a lock. */
async function until(waiting: number): Promise<boolean> {
  const observer = await connect();
  const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waitUntil(async () => (await observer.query(sql)).rowCount === waiting, DEADLINE_MS);
}

describe('an edit by hand and a write of the application to the same chat at once', () => {
  it('wait for each other where the person has committed late', async () => {
    const chatId = await insertChat(running.database, ['a']);
    const person = await connect();
    await person.query('BEGIN');
    await person.query(`INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ann', 'by hand')`, [chatId]);
    const sent = messages.createMessage({ chatId, senderId: 'ann', text: 'sent' });
    expect(await until(1)).toBe(true);
    await person.query('COMMIT');
    expect(await sent).toMatchObject({ message: { seq: 3, version: 4 } });
  });

  it('wait for each other where the application commits late', async () => {
    const chatId = await insertChat(running.database, ['a']);
    const [application, person] = [await connect(), await connect()];
    await application.query(`BEGIN; SET LOCAL scrollback.writer = 'application'`);
    await application.query(LOCK_HEADS.text, [[chatId]]);
    const edits = [
      person.query(`INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ann', 'by hand')`, [chatId]),
      running.database.query(`INSERT INTO participant (chat_id, user_id) VALUES ($1, 'ben')`, [chatId]),
    ];
    expect(await until(2)).toBe(true);
    const row = [[chatId], [2], [3], ['ann'], [null], ['user'], ['sent'], [null], [null], [1_700_000_000_000]];
    await application.query(INSERT_MESSAGES.text, row);
    await application.query(MOVE_HEADS.text, [[chatId], [2], [3]]);
    await application.query('COMMIT');
    await Promise.all(edits);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 3, version: 5, resetVersion: 0 });
  });

  it('lose nothing when the database ends one of them because each waits for the other', async () => {
    const chatId = await insertChat(running.database, ['first', 'second']);
    // The person has the row and wants the head; the application has the head and wants the row.
    const person = await connect();
    await person.query('BEGIN');
    await person.query(`SET LOCAL scrollback.writer = 'application'`);
    await person.query(`UPDATE message SET metadata = '{"by": "hand"}' WHERE chat_id = $1 AND seq = 1`, [chatId]);
    const edited = messages.editMessage(chatId, 1, { text: 'edited' });
    expect(await until(1)).toBe(true);
    await person.query('RESET scrollback.writer');
    const outcome = await person
      .query(`UPDATE message SET metadata = '{"by": "hand"}' WHERE chat_id = $1`, [chatId])
      .then(() => person.query('COMMIT'))
      .then(() => 'committed')
      .catch(async (error: { code: string }) => {
        await person.query('ROLLBACK');
        return error.code;
      });
    expect(['committed', '40P01']).toContain(outcome);
    expect(await edited).toMatchObject({ message: { text: 'edited' } });
    const rows = await running.database.query('SELECT text, metadata FROM message WHERE chat_id = $1 ORDER BY seq', [
      chatId,
    ]);
    const metadata = outcome === 'committed' ? { by: 'hand' } : null;
    expect(rows).toEqual([
      { text: 'edited', metadata },
      { text: 'second', metadata },
    ]);
  });

  it('keep every acknowledged write of both under load', async () => {
    const chatIds: string[] = [];
    while (chatIds.length < 3) chatIds.push(await insertChat(running.database, ['0', '1', '2']));
    const person = await connect();
    const outcomes = { done: 0, refused: 0 };
    const byHand = (async () => {
      for (let round = 0; round < 40; round++) {
        const chatId = chatIds[round % 3];
        const sql = [
          `INSERT INTO message (chat_id, sender_id, text) SELECT unnest($1::uuid[]), 'ann', 'by hand'`,
          `UPDATE message SET text = text || '.' WHERE chat_id = ANY ($1) AND seq <= 3`,
        ][round % 2]!;
        await person.query(sql, [round % 4 === 0 ? chatIds : [chatId]]).then(
          () => outcomes.done++,
          (error: { code: string }) => {
            expect(error.code).toBe('40P01');
            outcomes.refused++;
          },
        );
      }
    })();
    const sends = Array.from({ length: 300 }, (_unused, at) => {
      const chatId = chatIds[at % 3]!;
      if (at % 3 === 1) return messages.editMessage(chatId, 1 + (at % 3), { text: `edit ${at}` });
      return messages.createMessage({ chatId, senderId: 'ben', text: `${at}`, clientId: `${at}` });
    });
    await Promise.all([byHand, ...sends]);
    expect(outcomes.done + outcomes.refused).toBe(40);
    const [row] = await running.database.query(
      `SELECT count(*)::int AS sent FROM message WHERE sender_id = 'ben' AND chat_id = ANY ($1)`,
      [chatIds],
    );
    expect(row).toEqual({ sent: 200 });
    for (const chatId of chatIds) {
      const places = await readPlaces(running.database, chatId);
      expect(places.map(({ seq }) => seq)).toEqual(places.map((_place, at) => at + 1));
      expect((await readHead(running.database, chatId)).lastSeq).toBe(places.length);
    }
  });
});

describe('an application of the version before, which does not say that it is the application', () => {
  it('leaves the tables sound, and its writes are told', async () => {
    const old = await connect();
    const chatId = '01980000-0000-7000-8000-0000000000b1';
    const run = (statement: Statement, values: unknown[]): Promise<unknown> => old.query(statement.text, values);
    await run(CREATE_CHAT, [chatId, 'group', null, '{}', 'ann', null, ['ann', 'ben'], ['owner', 'member']]);
    await expectSound(running.database);
    const replica = await ChatReplica.load(running.api, chatId);
    let { version, lastSeq } = await readHead(running.database, chatId);
    const send = (): Promise<unknown> =>
      run(INSERT_MESSAGES, [
        [chatId, chatId],
        [lastSeq + 1, (lastSeq += 2)],
        [++version, ++version],
        ['ann', 'ben'],
        [`k${lastSeq}`, null],
        ['user', 'user'],
        ['a', 'b'],
        [null, null],
        [null, null],
        [1_700_000_000_000, 1_700_000_000_000],
      ]);
    const write: (() => Promise<unknown>)[] = [
      () => run(EDIT_MESSAGES, [[chatId], [1], [++version], ['c'], [false], [null], [1_700_000_000_000]]),
      () =>
        run(WRITE_REACTIONS, [
          [chatId, chatId],
          [1, 2],
          ['ann', 'ann'],
          ['ok', 'ok'],
          [true, true],
          [++version, ++version],
        ]),
      () => run(DELETE_MESSAGES, [[chatId], [2], [++version], [1_700_000_000_000]]),
      () => run(WRITE_PARTICIPANTS, [[chatId], ['cat'], ['member'], [1_700_000_000_000], [null], [0], [++version]]),
    ];
    for (const batch of [[send], write, [send, write[0]!], [...write].toReversed()]) {
      ({ version, lastSeq } = await readHead(running.database, chatId));
      await old.query('BEGIN');
      await run(LOCK_HEADS, [[chatId]]);
      for (const each of batch) await each();
      await run(MOVE_HEADS, [[chatId], [lastSeq], [version]]);
      await old.query('COMMIT');
      await expectSound(running.database);
      expect(await readHead(running.database, chatId)).toMatchObject({ lastSeq });
      await running.instance.app.get(Poller).pollOnce();
    }
    const { status } = await running.api.get(`/v1/chats/${chatId}/changes?since=${replica.version}`);
    expect(status).toBe(410);
    expect((await ChatReplica.load(running.api, chatId)).state).toMatchObject({
      messages: [{ text: 'c' }, { deleted: true }, { text: 'a' }, { text: 'b' }],
      participants: [{ userId: 'ann' }, { userId: 'ben' }, { userId: 'cat' }],
    });
  });
});

describe('the triggers', () => {
  it('let in who may write into a table and nothing else, and only from that table', async () => {
    const chatId = await insertChat(running.database);
    const sql = (text: string): Promise<unknown> => running.database.query(text);
    await sql('CREATE ROLE writer_of_messages');
    try {
      await sql('GRANT INSERT ON message TO writer_of_messages');
      await sql('GRANT CREATE ON SCHEMA public TO writer_of_messages');
      const person = await connect();
      await person.query('SET ROLE writer_of_messages');
      await person.query(`SET search_path = ''`);
      await person.query(`INSERT INTO public.message (chat_id, sender_id, text) VALUES ($1, 'ann', 'a')`, [chatId]);
      await expect(person.query('UPDATE public.chat_head SET version = 9')).rejects.toMatchObject({ code: '42501' });
      await person.query('CREATE TABLE public.own (chat_id uuid, seq bigint, version bigint)');
      const trigger = `CREATE TRIGGER t AFTER DELETE ON public.own REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT
        EXECUTE FUNCTION public.scrollback_message_deleted()`;
      await expect(person.query(trigger)).rejects.toMatchObject({ code: '42501' });
    } finally {
      await sql('DROP OWNED BY writer_of_messages');
      await sql('DROP ROLE writer_of_messages');
    }
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 1, version: 2, resetVersion: 0 });
  });

  it('follow a person after an error and in a transaction that goes on', async () => {
    const chatId = await insertChat(running.database, ['a']);
    const person = await connect();
    const insert = `INSERT INTO message (chat_id, sender_id, text, seq) VALUES ($1, 'ann', 't', $2)`;
    await person.query('BEGIN');
    await person.query('SAVEPOINT here');
    await expect(person.query(insert, [chatId, 9])).rejects.toMatchObject({ code: '23514' });
    await person.query('ROLLBACK TO here');
    await person.query(insert, [chatId, 2]);
    await person.query(`UPDATE message SET text = 'b' WHERE chat_id = $1`, [chatId]);
    await person.query('COMMIT');
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 2, version: 5, resetVersion: 3 });
  });

  it('keep a head from going back', async () => {
    const chatId = await insertChat(running.database, ['a', 'b']);
    await running.database.query('UPDATE chat_head SET version = 1, last_seq = 0 WHERE chat_id = $1', [chatId]);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 2, version: 3, resetVersion: 0 });
  });

  it('work in a schema of any name', async () => {
    await running.database.query('CREATE SCHEMA "Chat store"');
    const url = new URL(running.database.url);
    url.searchParams.set('options', `-c search_path="Chat\\ store"`);
    const source = await new DataSource(storageOptions({ url: url.href })).initialize();
    try {
      await migrate(source);
      const [chat] = await source.query<{ id: string }[]>(`INSERT INTO chat (title) VALUES ('T') RETURNING id`);
      const insert = `INSERT INTO "Chat store".message (chat_id, sender_id, text) VALUES ($1, 'ann', 'a')`;
      await running.database.query(insert, [chat!.id]);
      expect(await source.query('SELECT last_seq::int, version::int FROM chat_head')).toEqual([
        { last_seq: 1, version: 2 },
      ]);
    } finally {
      await source.destroy();
      await running.database.query('DROP SCHEMA "Chat store" CASCADE');
    }
  });

  it('need not follow the application, whose chats are at the version that it tells', async () => {
    const { chatId } = await running.instance.app.get(ChatRepository).createChat({ participants: [{ userId: 'ann' }] });
    await Promise.all(
      Array.from({ length: 20 }, (_unused, at) => messages.createMessage({ chatId, senderId: 'ann', text: `${at}` })),
    );
    await messages.react(chatId, 1, { userId: 'ann', emoji: 'ok', present: true });
    await messages.deleteMessage(chatId, 1);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 20, version: 23, resetVersion: 0 });
  });
});
