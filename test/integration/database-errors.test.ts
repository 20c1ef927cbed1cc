import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, DatabaseError } from 'pg';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { unavailability } from '../../src/storage/database-unavailable.js';
import { Database } from '../../src/storage/database.js';
import { uuidV7 } from '../../src/common/uuid.js';
import { expectRefused } from '../e2e/expect-answer.js';
import type { ApiAnswer } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

let running: TestInstance;
let database: Database;
let chatId: string;

beforeAll(async () => {
  // What it shows, it has asked the database for.
  running = await startTestInstance({ CACHE_MODE: 'off', MAX_EVENT_LOOP_DELAY_MS: '0' });
  database = running.instance.app.get(Database);
  chatId = (await running.api.createChat({ participants: [{ userId: 'ann' }] })).id;
  await running.api.send(chatId, { senderId: 'ann', text: 'first' });
});
afterEach(() => running.database.query('DROP TRIGGER IF EXISTS fail_some ON chat'));
afterAll(() => running.close());

/** An error as the server words it. */
function refusal(code: string, message = 'made up'): DatabaseError {
  return Object.assign(new DatabaseError(message, 0, 'error'), { code, severity: 'ERROR' });
}

/** Does something while every statement and every transaction is refused. */
async function whileRefused<T>(reason: Error, work: () => Promise<T>): Promise<T> {
  const { query, transaction, snapshot } = database;
  const refuse = (): Promise<never> => Promise.reject(reason);
  Object.assign(database, { query: refuse, transaction: refuse, snapshot: refuse });
  try {
    return await work();
  } finally {
    Object.assign(database, { query, transaction, snapshot });
  }
}

function expectUnavailable(answer: ApiAnswer<unknown>): string {
  const { detail } = expectRefused(answer, 503, 'database_unavailable');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  return detail;
}

/** A request for each way to the database. */
const REQUESTS: readonly (readonly [string, () => Promise<ApiAnswer<unknown>>])[] = [
  ['a chat', () => running.api.get(`/v1/chats/${chatId}`)],
  ['a page', () => running.api.get(`/v1/chats/${chatId}/messages`)],
  ['what is older', () => running.api.get(`/v1/chats/${chatId}/messages?before=1`)],
  ['changes', () => running.api.get(`/v1/chats/${chatId}/changes?since=1`)],
  ['edits', () => running.api.get(`/v1/chats/${chatId}/messages/1/edits`)],
  ['an inbox', () => running.api.get('/v1/users/ann/chats')],
  ['the latest of many', () => running.api.post('/v1/messages/latest', { chatIds: [chatId], limit: 1 })],
  ['a new chat', () => running.api.post('/v1/chats', {})],
  ['a message', () => running.api.post(`/v1/chats/${chatId}/messages`, { senderId: 'ann', text: 'more' })],
  ['an edit', () => running.api.patch(`/v1/chats/${chatId}/messages/1`, { text: 'edited' })],
];

describe('a database that cannot do at present what it is asked', () => {
  it.each(['53200', '25006', '57014', '42P01', '3D000'])(
    'and says so with %s is told as 503 with Retry-After, whatever was asked for',
    async (code) => {
      for (const [, request] of REQUESTS) expectUnavailable(await whileRefused(refusal(code), request));
    },
  );

  it('for lack of tables, as while a dump is restored, is told as 503 by who reads and who writes', async () => {
    await running.database.query('ALTER TABLE message RENAME TO message_elsewhere');
    try {
      for (const [what, request] of REQUESTS) {
        if (what === 'an inbox' || what === 'a new chat' || what === 'a chat') continue;
        expect(expectUnavailable(await request())).toContain('lacks tables');
      }
    } finally {
      await running.database.query('ALTER TABLE message_elsewhere RENAME TO message');
    }
    expect((await running.api.get(`/v1/chats/${chatId}/messages`)).status).toBe(200);
  });

  it('because somebody has cancelled the statement is told so, and not that somebody keeps a lock', async () => {
    const holder = new Client({ connectionString: running.database.url });
    await holder.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE message_edit');
      const asked = running.api.get(`/v1/chats/${chatId}/messages/1/edits`);
      const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      while ((await running.database.query(cancel)).length === 0);
      expect(expectUnavailable(await asked)).toBe('Somebody has cancelled the statement in the database.');
    } finally {
      await holder.end();
    }
  });

  it('tells of a statement that was ended what is known: its time limit, somebody, or either', () => {
    const told = (message: string): string | undefined => unavailability(refusal('57014', message));
    expect(told('canceling statement due to statement timeout')).toContain('time limit');
    expect(told('canceling statement due to user request')).toContain('cancelled');
    expect(told('storniere Anfrage')).toBe(
      'The database has ended the statement: it took too long, or somebody has cancelled it.',
    );
  });

  it('tells readers of locks that they could not have; writers wait for them', async () => {
    const reads = REQUESTS.filter(([what]) => ['a chat', 'a page', 'edits', 'an inbox'].includes(what));
    expect(reads).toHaveLength(4);
    for (const [, request] of reads) expectUnavailable(await whileRefused(refusal('55P03'), request));
  });

  it('is not told of errors that no waiting mends', () => {
    for (const code of ['23505', '22021', 'XX000', '42703', '42501'])
      expect(unavailability(refusal(code))).toBe(undefined);
    expect(unavailability(new Error('ours'))).toBe(undefined);
  });
});

describe('a chat that is created while the database asks to try again', () => {
  /** Makes the database refuse chats some times; a sequence counts what is rolled back as well. */
  async function refuse(code: string, times: number): Promise<void> {
    await running.database.query(`DROP SEQUENCE IF EXISTS attempts; CREATE SEQUENCE attempts;
      CREATE OR REPLACE FUNCTION fail_some() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('attempts') <= ${times} THEN RAISE EXCEPTION 'made up' USING ERRCODE = '${code}'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER fail_some BEFORE INSERT ON chat FOR EACH ROW EXECUTE FUNCTION fail_some()`);
  }

  it.each(['40001', '40P01', '57P01', '08006'])('with %s is there once, as if nothing had been', async (code) => {
    await refuse(code, 2);
    const id = uuidV7();
    const body = { id, title: code, participants: [{ userId: 'ann' }] };
    expect((await running.api.post('/v1/chats', body)).status).toBe(201);
    expect((await running.api.post('/v1/chats', body)).status).toBe(200);
    const rows = await running.database.query('SELECT version::int FROM chat_head WHERE chat_id = $1', [id]);
    expect(rows).toEqual([{ version: 1 }]);
  });

  it('again and again is refused with 503, and not there', async () => {
    await refuse('40001', 1000);
    const id = uuidV7();
    expectUnavailable(await running.api.post('/v1/chats', { id }));
    expect(await running.database.query('SELECT FROM chat_head WHERE chat_id = $1', [id])).toEqual([]);
  });

  it('is not tried again when that is of no use', async () => {
    await refuse('23514', 1000);
    await expect(running.instance.app.get(ChatRepository).createChat({})).rejects.toMatchObject({ code: '23514' });
    expect(await running.database.query('SELECT last_value::int AS attempts FROM attempts')).toEqual([{ attempts: 1 }]);
  });
});
