import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { Database } from '../../src/storage/database.js';
import { CommitOutcomeUnknownError } from '../../src/storage/open-transaction.js';
import { LOCK_HEADS } from '../../src/storage/statements/lock-heads.js';
import { CacheState } from '../../src/cache/cache-state.js';
import { ChangeApplier } from '../../src/cache/write/change-applier.js';
import { ChangeFeed } from '../../src/storage/write/change-feed.js';
import { GroupCommit } from '../../src/storage/write/group-commit.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const REFUSED = 'refuse this at COMMIT';

let running: TestInstance;
let announced: string[] = [];

beforeAll(async () => {
  // It looks by itself only once a minute: what it shows before, it has been told by its own writes.
  running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
  await running.database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.text = '${REFUSED}' THEN RAISE EXCEPTION 'refused at COMMIT' USING ERRCODE = '23514'; END IF;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse();`);
  running.instance.app.get(ChangeFeed).subscribe({
    onCommitted: ({ changes }) => announced.push(`version ${changes.at(-1)!.version}`),
    onVersionSeen: () => undefined,
    onOutcomeUnknown: () => announced.push('unknown'),
  });
});
afterAll(() => running.close());

async function createChat(): Promise<string> {
  const { id } = await running.api.createChat({ participants: [{ userId: 'ann' }] });
  await running.api.send(id, { senderId: 'ann', text: 'first' });
  await running.api.page(id);
  announced = [];
  return id;
}

async function texts(chatId: string): Promise<(string | null | undefined)[]> {
  return (await running.api.page(chatId)).items.map(({ text }) => text);
}

describe('a write', () => {
  it('that the database refuses at COMMIT is answered with an error, and announced to nobody', async () => {
    const chatId = await createChat();
    const refused = await running.api.post(`/v1/chats/${chatId}/messages`, { senderId: 'ann', text: REFUSED });
    expect(refused.status).toBe(500);
    expect(announced).toEqual([]);
    expect(await texts(chatId)).toEqual(['first']);
  });

  it('that is committed while the answer to COMMIT is lost makes the cache forget the chat: the next reader sees it', async () => {
    const chatId = await createChat();
    const database = running.instance.app.get(Database);
    const transaction = database.transaction.bind(database);
    database.transaction = async (...asked) => {
      await transaction(...asked);
      throw new CommitOutcomeUnknownError('The answer was lost.');
    };
    const lost = await running.api.post(`/v1/chats/${chatId}/messages`, { senderId: 'ann', text: 'second' });
    database.transaction = transaction;
    expect(lost.body).toMatchObject({ code: 'write_outcome_unknown' });
    expect(announced).toEqual(['unknown']);
    expect(await texts(chatId)).toEqual(['first', 'second']);
  });
});

describe('a listener that throws', () => {
  it('keeps no writer without an answer, and the chat is read anew', async () => {
    const chatId = await createChat();
    const failing: string[] = [];
    const fail = (what: string): never => {
      failing.push(what);
      throw new Error(`made up: ${what}`);
    };
    const instance = await startTestInstance({ COHERENCE_POLL_MS: '60000' }, running.database);
    try {
      const applier = instance.instance.app.get(ChangeApplier);
      const onCommitted = applier.onCommitted.bind(applier);
      const feed = instance.instance.app.get(ChangeFeed);
      await instance.api.page(chatId);
      // One that fails in the middle of its work, and one that cannot even forget.
      applier.onCommitted = (changes) => {
        onCommitted(changes);
        fail('applied');
      };
      feed.subscribe({
        onCommitted: () => fail('committed'),
        onVersionSeen: () => fail('seen'),
        onOutcomeUnknown: () => fail('unknown'),
      });
      instance.instance.app.get(GroupCommit).observe({ onBatch: () => fail('batch') });
      const send = { senderId: 'ann', text: 'second', clientId: 'k' };
      expect((await instance.api.post(`/v1/chats/${chatId}/messages`, send)).status).toBe(201);
      expect(instance.instance.app.get(CacheState).store.getChat(chatId)).toBe(undefined);
      expect((await instance.api.post(`/v1/chats/${chatId}/messages`, send)).status).toBe(200);
      expect((await instance.api.post('/v1/chats', {})).status).toBe(201);
      expect(failing).toEqual([
        ...['batch', 'applied', 'committed', 'unknown', 'seen'],
        ...['batch', 'seen', 'unknown'],
        ...['applied', 'committed', 'unknown', 'seen'],
      ]);
      expect((await instance.api.page(chatId)).items.map(({ text }) => text)).toEqual(['first', 'second']);
    } finally {
      await instance.close();
    }
  });
});

describe('who waits for the lock of a chat', () => {
  const clients: Client[] = [];

  beforeAll(async () => {
    for (let opened = 0; opened < 3; opened++) {
      const client = new Client({ connectionString: running.database.url });
      await client.connect();
      clients.push(client);
    }
  });
  afterAll(() => Promise.all(clients.map((client) => client.end())));

  it('holds no chat with a higher id', async () => {
    const [first, ...later] = [await createChat(), await createChat(), await createChat()].sort();
    const [holder, waiter, witness] = clients as [Client, Client, Client];
    const { rows } = await waiter.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await holder.query('BEGIN');
    await holder.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [first]);
    await waiter.query('BEGIN');
    const waiting = waiter.query({ ...LOCK_HEADS, values: [[...later, first]] });
    await untilItWaits(witness, rows[0]!.pid);
    const free = await witness.query<{ chat_id: string }>(
      'SELECT chat_id FROM chat_head WHERE chat_id = ANY ($1::uuid[]) ORDER BY chat_id FOR UPDATE SKIP LOCKED',
      [later],
    );
    expect(free.rows.map((row) => row.chat_id)).toEqual(later);
    await holder.query('COMMIT');
    expect((await waiting).rows.map((row: { chat_id: string }) => row.chat_id)).toEqual([first, ...later]);
    await waiter.query('COMMIT');
  });
});

async function untilItWaits(witness: Client, pid: number): Promise<void> {
  for (;;) {
    const { rows } = await witness.query<{ waits: boolean }>(
      `SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1`,
      [pid],
    );
    if (rows[0]!.waits) return;
  }
}
