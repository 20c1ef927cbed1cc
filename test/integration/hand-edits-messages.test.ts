import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { CopyInQuery } from '../../src/storage/copy-in.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectSound, insertChat, readHead, readPlaces } from './hand-edit-checks.js';

const MISSING = '01980000-0000-7000-8000-00000000dead';

let running: TestInstance;
let messages: MessageRepository;

beforeAll(async () => {
  running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
  messages = running.instance.app.get(MessageRepository);
});
afterEach(() => expectSound(running.database));
afterAll(() => running.close());

const sql = <Row extends object = Record<string, unknown>>(text: string, ...values: unknown[]): Promise<Row[]> =>
  running.database.query<Row>(text, values);

const texts = async (chatId: string): Promise<(string | null)[]> =>
  (await sql<{ text: string }>('SELECT text FROM message WHERE chat_id = $1 ORDER BY seq', chatId)).map(
    ({ text }) => text,
  );

/** Runs `COPY … FROM STDIN` with some data. */
async function copy(statement: string, data: Buffer): Promise<void> {
  const client = new Client({ connectionString: running.database.url });
  await client.connect();
  try {
    await new Promise<void>((resolve, reject) => {
      client.query(new CopyInQuery(statement, data, (error) => (error === null ? resolve() : reject(error))));
    });
  } finally {
    await client.end();
  }
}

describe('messages that a person inserts without a seq', () => {
  it('are numbered behind the last one, each with a version of its own', async () => {
    const chatId = await insertChat(running.database, ['a', 'b']);
    await messages.createMessage({ chatId, senderId: 'ben', text: 'c' });
    await sql(`INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ann', 'd'), ($1, 'ann', 'e')`, chatId);
    expect(await texts(chatId)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await readPlaces(running.database, chatId)).toEqual(
      [1, 2, 3, 4, 5].map((seq) => ({ seq, version: seq + 1, changed: false })),
    );
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 5, version: 6, resetVersion: 0 });
  });

  it('are numbered chat by chat in the order of the statement, also after a single one in the same session', async () => {
    const chatIds = [await insertChat(running.database, ['0']), await insertChat(running.database, ['0'])];
    await sql(
      `INSERT INTO message (chat_id, sender_id, text)
       SELECT ($1::uuid[])[1 + n % 2], 'ann', n FROM generate_series(1, 2000) AS n`,
      chatIds,
    );
    const numbers = Array.from({ length: 2000 }, (_unused, at) => String(at + 1));
    expect(await texts(chatIds[0]!)).toEqual(['0', ...numbers.filter((n) => Number(n) % 2 === 0)]);
    expect(await texts(chatIds[1]!)).toEqual(['0', ...numbers.filter((n) => Number(n) % 2 === 1)]);
    for (const chatId of chatIds) {
      expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 1001, version: 1002, resetVersion: 0 });
    }
  });

  it('are numbered when COPY brings them, as text and as binary', async () => {
    const chatId = await insertChat(running.database);
    const columns = `message (chat_id, sender_id, text) FROM STDIN`;
    await copy(`COPY ${columns}`, Buffer.from(`${chatId}\tann\ta\n${chatId}\tann\tb\n`));
    const field = (bytes: Buffer): Buffer => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const row = [Buffer.from(chatId.replaceAll('-', ''), 'hex'), Buffer.from('ann'), Buffer.from('c')].map(field);
    const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x03', 'latin1');
    await copy(`COPY ${columns} (FORMAT binary)`, Buffer.concat([header, ...row, Buffer.from('ffff', 'hex')]));
    expect(await texts(chatId)).toEqual(['a', 'b', 'c']);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 3, version: 4, resetVersion: 0 });
  });

  it('burn no number when nothing is inserted, and change the row they run into', async () => {
    const chatId = await insertChat(running.database);
    const insert = `INSERT INTO message (chat_id, sender_id, client_id, text) VALUES ($1, 'ann', 'k', $2)
      ON CONFLICT (chat_id, sender_id, client_id) WHERE client_id IS NOT NULL`;
    await sql(`${insert} DO NOTHING`, chatId, 'a');
    await sql(`${insert} DO NOTHING`, chatId, 'b');
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 1, version: 2, resetVersion: 0 });
    await sql(`${insert} DO UPDATE SET text = excluded.text`, chatId, 'c');
    expect(await texts(chatId)).toEqual(['c']);
    expect(await readPlaces(running.database, chatId)).toEqual([{ seq: 1, version: 3, changed: true }]);
    const repeated = await messages.createMessage({ chatId, senderId: 'ann', clientId: 'k', text: 'a' });
    expect(repeated).toMatchObject({ replayed: true, message: { seq: 1, text: 'c' } });
  });

  it('show a provisional seq to RETURNING, which the same transaction can look up', async () => {
    const chatId = await insertChat(running.database);
    const insert = `INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ann', 'a') RETURNING seq`;
    expect(Number((await sql<{ seq: string }>(insert, chatId))[0]!.seq)).toBeLessThan(0);
    expect(await readPlaces(running.database, chatId)).toMatchObject([{ seq: 1 }]);
  });

  it('are refused for a chat that is not there, and leave nothing', async () => {
    const insert = `INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ann', 'a')`;
    await expect(sql(insert, MISSING)).rejects.toMatchObject({
      code: '23503',
      message: `There is no chat ${MISSING}.`,
    });
    expect(await readPlaces(running.database, MISSING)).toEqual([]);
  });
});

describe('messages that a person inserts with a seq', () => {
  const insert = `INSERT INTO message (chat_id, sender_id, text, seq) SELECT $1, 'ann', 't', unnest($2::bigint[])`;

  it('go on with the line as history, behind which changes are not told', async () => {
    const chatId = await insertChat(running.database, ['a']);
    await sql(insert, chatId, [4, 2, 3]);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 4, version: 3, resetVersion: 3 });
    const { message } = await messages.createMessage({ chatId, senderId: 'ann', text: 'next' });
    expect(message).toMatchObject({ seq: 5, version: 4 });
  });

  it('fill holes', async () => {
    const chatId = await insertChat(running.database, ['a', 'b', 'c']);
    await sql('DELETE FROM message WHERE chat_id = $1 AND seq < 3', chatId);
    await sql(insert, chatId, [2]);
    expect((await readPlaces(running.database, chatId)).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 3, version: 6, resetVersion: 6 });
  });

  it('come before those without one in the same statement', async () => {
    const chatId = await insertChat(running.database, ['a']);
    const rows = `VALUES ($1, 'ann', 'c', DEFAULT), ($1, 'ann', 'b', 2), ($1, 'ann', 'd', DEFAULT)`;
    await sql(`INSERT INTO message (chat_id, sender_id, text, seq) ${rows}`, chatId);
    expect(await texts(chatId)).toEqual(['a', 'b', 'c', 'd']);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 4, version: 5, resetVersion: 3 });
  });

  it('keep below the version of the chat, whatever versions they bring along', async () => {
    const chatId = await insertChat(running.database);
    const statement = `COPY message (chat_id, seq, version, changed, sender_id, text) FROM STDIN`;
    await copy(statement, Buffer.from(`${chatId}\t1\t70\tt\tann\ta\n${chatId}\t2\t5\tf\tann\tb\n`));
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 2, version: 71, resetVersion: 71 });
  });

  it.each([[[3]], [[2, 4]], [[0]]])('are refused where they leave a hole: %j', async (seqs) => {
    const chatId = await insertChat(running.database, ['a']);
    await expect(sql(insert, chatId, seqs)).rejects.toMatchObject({ code: '23514' });
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 1, version: 2, resetVersion: 0 });
  });
});

describe('messages that a person updates', () => {
  it('take a version each and count as changed', async () => {
    const chatId = await insertChat(running.database, ['a', 'b', 'c']);
    await sql(`UPDATE message SET text = text || '!', version = 1000 WHERE chat_id = $1 AND seq > 1`, chatId);
    expect(await readPlaces(running.database, chatId)).toEqual([
      { seq: 1, version: 2, changed: false },
      { seq: 2, version: 5, changed: true },
      { seq: 3, version: 6, changed: true },
    ]);
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 3, version: 6, resetVersion: 0 });
    const changes = await running.api.changes(chatId, 4);
    expect(changes.messages.map(({ seq, text }) => [seq, text])).toEqual([
      [2, 'b!'],
      [3, 'c!'],
    ]);
  });

  it('are still recognised when they are sent again', async () => {
    const chatId = await insertChat(running.database);
    const send = { chatId, senderId: 'ann', clientId: 'k', text: 'first', metadata: { a: 1 } };
    await messages.createMessage(send);
    await sql(`UPDATE message SET text = 'second' WHERE chat_id = $1`, chatId);
    await sql(`UPDATE message SET text = 'third', metadata = NULL WHERE chat_id = $1`, chatId);
    expect(await messages.createMessage(send)).toMatchObject({ replayed: true, message: { text: 'third' } });
    const other = { ...send, text: 'third' };
    await expect(messages.createMessage(other)).rejects.toMatchObject({ code: 'client_id_conflict' });
  });

  it('lose their edits, reactions and metadata when they are marked as deleted', async () => {
    const chatId = await insertChat(running.database);
    await messages.createMessage({ chatId, senderId: 'ann', clientId: 'k', text: 'a', metadata: { a: 1 } });
    await messages.editMessage(chatId, 1, { text: 'b' });
    await messages.react(chatId, 1, { userId: 'ann', emoji: 'ok', present: true });
    await sql('UPDATE message SET text = NULL, deleted_at = now() WHERE chat_id = $1', chatId);
    expect(await sql('SELECT metadata FROM message WHERE chat_id = $1', chatId)).toEqual([{ metadata: null }]);
    for (const table of ['reaction', 'message_edit']) {
      expect(await sql(`SELECT FROM ${table} WHERE chat_id = $1`, chatId)).toEqual([]);
    }
    const repeated = await messages.createMessage({
      chatId,
      senderId: 'ann',
      clientId: 'k',
      text: 'a',
      metadata: { a: 1 },
    });
    expect(repeated).toMatchObject({ replayed: true, message: { seq: 1, text: null } });
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 1, version: 5, resetVersion: 0 });
  });

  it('vanish from where they are moved away', async () => {
    const [from, to] = [await insertChat(running.database, ['a', 'b']), await insertChat(running.database, ['x'])];
    await sql('UPDATE message SET chat_id = $2 WHERE chat_id = $1 AND seq = 2', from, to);
    expect([await texts(from), await texts(to)]).toEqual([['a'], ['x', 'b']]);
    expect(await readHead(running.database, from)).toEqual({ lastSeq: 2, version: 4, resetVersion: 4 });
    expect(await readHead(running.database, to)).toEqual({ lastSeq: 2, version: 4, resetVersion: 4 });
    await expect(sql('UPDATE message SET seq = 9 WHERE chat_id = $1', from)).rejects.toMatchObject({ code: '23514' });
    await expect(sql('UPDATE message SET seq = -9 WHERE chat_id = $1', from)).rejects.toMatchObject({ code: '23514' });
    await expect(sql('UPDATE message SET chat_id = $2 WHERE chat_id = $1', from, MISSING)).rejects.toMatchObject({
      code: '23503',
    });
  });
});

describe('messages that a person deletes', () => {
  it('vanish with their reactions and edits, and their seqs are not given out again', async () => {
    const chatId = await insertChat(running.database, ['a', 'b', 'c']);
    await messages.editMessage(chatId, 3, { text: 'd' });
    await messages.react(chatId, 3, { userId: 'ann', emoji: 'ok', present: true });
    await sql('DELETE FROM message WHERE chat_id = $1 AND seq > 1', chatId);
    for (const table of ['reaction', 'message_edit']) {
      expect(await sql(`SELECT FROM ${table} WHERE chat_id = $1`, chatId)).toEqual([]);
    }
    expect(await readHead(running.database, chatId)).toEqual({ lastSeq: 3, version: 7, resetVersion: 7 });
    expect((await running.api.get(`/v1/chats/${chatId}/changes?since=6`)).status).toBe(410);
    await sql(`INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ann', 'e')`, chatId);
    expect((await readPlaces(running.database, chatId)).map(({ seq }) => seq)).toEqual([1, 4]);
  });

  it('are all gone after TRUNCATE, of every chat', async () => {
    const chatIds = [await insertChat(running.database, ['a', 'b']), await insertChat(running.database)];
    await sql(`INSERT INTO reaction (chat_id, seq, user_id, emoji) VALUES ($1, 1, 'ben', 'ok')`, chatIds[0]);
    await sql('TRUNCATE message');
    expect(await sql('SELECT FROM reaction')).toEqual([]);
    expect(await readHead(running.database, chatIds[0]!)).toEqual({ lastSeq: 2, version: 5, resetVersion: 5 });
    expect(await readHead(running.database, chatIds[1]!)).toEqual({ lastSeq: 0, version: 2, resetVersion: 2 });
    await sql('TRUNCATE message, reaction, participant');
  });
});
