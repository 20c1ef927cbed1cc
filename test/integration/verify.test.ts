import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { CacheState } from '../../src/cache/cache-state.js';
import { CacheStats } from '../../src/cache/cache-stats.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { Sampler } from '../../src/cache/coherence/verify/sampler.js';
import type { VerifyReport } from '../../src/cache/coherence/verify/verifier.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** More than three blocks. */
const MESSAGES = 230;

let one: TestInstance;
let state: CacheState;
let database: Client;
let chatId: string;

beforeEach(async () => {
  one = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
  state = one.instance.app.get(CacheState);
  database = new Client({ connectionString: one.database.url });
  await database.connect();
  // What is planted is not told by triggers.
  await database.query('SET session_replication_role = replica');
  const chat = await one.api.createChat({ title: 'right', participants: [{ userId: 'ann' }, { userId: 'bob' }] });
  chatId = chat.id;
  for (let sent = 0; sent < MESSAGES; sent += 46) {
    await Promise.all(
      Array.from({ length: 46 }, (_unused, at) => one.api.send(chatId, { senderId: 'ann', text: `text ${sent + at}` })),
    );
  }
  await one.api.page(chatId, '?limit=200');
  await one.api.page(chatId, '?before=40&limit=20');
  await one.api.inbox('bob');
});
afterEach(async () => {
  await database.end();
  await one.close();
});

async function verify(body?: object): Promise<VerifyReport> {
  const answer = await one.api.post<VerifyReport>('/v1/admin/cache/verify', body ?? {});
  expect(answer.status).toBe(200);
  return answer.body;
}

/** Finds it, repairs it, and finds nothing more. */
async function expectFoundAndRepaired(kind: string): Promise<void> {
  const found = await verify();
  expect(found).toMatchObject({ checked: 1, divergent: [{ chatId, kind }], repaired: 0 });
  expect(await verify({ repair: true })).toMatchObject({ divergent: [{ chatId, kind }], repaired: 1 });
  await one.api.page(chatId, '?limit=200');
  await one.api.inbox('bob');
  expect(await verify()).toMatchObject({ checked: 1, divergent: [] });
}

describe('a comparison of cache and database', () => {
  it('finds nothing where nothing is wrong, also while writes go on', async () => {
    const writing = Promise.all(
      Array.from({ length: 200 }, (_unused, at) => one.api.send(chatId, { senderId: 'bob', text: `more ${at}` })),
    );
    for (let round = 0; round < 10; round++) expect(await verify()).toMatchObject({ checked: 1, divergent: [] });
    await writing;
    expect(await verify({ chatIds: [chatId] })).toEqual({ checked: 1, divergent: [], repaired: 0 });
    expect(await verify({ sample: 0 })).toEqual({ checked: 0, divergent: [], repaired: 0 });
  });

  it('takes no change for missed that is made after the poll before its second look', async () => {
    const poller = one.instance.app.get(Poller);
    const edit = async (title: string): Promise<void> => {
      await database.query(`SET session_replication_role = origin`);
      await database.query('UPDATE chat SET title = $2 WHERE id = $1', [chatId, title]);
    };
    const pollAgain = poller.pollAgain.bind(poller);
    const polling = jest.spyOn(poller, 'pollAgain').mockImplementation(async () => {
      await pollAgain();
      // Held again as it is now, and changed once more: by the next poll it is to be known.
      await one.api.get(`/v1/chats/${chatId}`);
      await edit('second');
    });
    await edit('first');
    expect(await verify()).toEqual({ checked: 1, divergent: [], repaired: 0 });
    expect(polling).toHaveBeenCalledTimes(1);
    polling.mockRestore();
  });

  it('finds an entry that has missed a version', async () => {
    // Behind the horizon of every poll, however long other databases of the server keep a transaction open.
    await database.query(`UPDATE chat_head SET version = version + 1, changed_xid = '1' WHERE chat_id = $1`, [chatId]);
    await expectFoundAndRepaired('behind');
  });

  it('finds an entry that is ahead of the database', async () => {
    await database.query('UPDATE chat_head SET version = version - 1 WHERE chat_id = $1', [chatId]);
    await expectFoundAndRepaired('ahead');
  });

  it('finds a wrong title', async () => {
    await database.query(`UPDATE chat SET title = 'wrong' WHERE id = $1`, [chatId]);
    await expectFoundAndRepaired('chat');
  });

  it('finds a wrong role', async () => {
    await database.query(`UPDATE participant SET role = 'admin' WHERE chat_id = $1 AND user_id = 'bob'`, [chatId]);
    await expectFoundAndRepaired('participants');
  });

  it('finds a participant who is not there', async () => {
    await database.query(`DELETE FROM participant WHERE chat_id = $1 AND user_id = 'ann'`, [chatId]);
    await expectFoundAndRepaired('participants');
  });

  it.each([MESSAGES, 200, 130, 70, 30])('finds a wrong text, of message %d', async (seq) => {
    await database.query(`UPDATE message SET text = 'wrong' WHERE chat_id = $1 AND seq = $2`, [chatId, seq]);
    await expectFoundAndRepaired('messages');
  });

  it('finds a wrong unread count', async () => {
    state.store.getChat(chatId)!.members.get('bob')!.unreadBase! += 1;
    await expectFoundAndRepaired('unread');
  });

  it('finds a user whose index lacks a chat', async () => {
    expect(state.store.getUser('bob')!.chatIds.delete(chatId)).toBe(true);
    await expectFoundAndRepaired('index');
  });

  it('finds a chat that is taken for absent', async () => {
    const id = '01980000-0000-7000-8000-0000000000bb';
    await one.api.get(`/v1/chats/${id}`);
    await database.query(`INSERT INTO chat (id, kind) VALUES ($1, 'group')`, [id]);
    await database.query(`INSERT INTO chat_head (chat_id, changed_xid) VALUES ($1, '1')`, [id]);
    expect(await verify()).toMatchObject({
      checked: 2,
      divergent: [{ chatId: id, kind: 'behind', cachedVersion: 0, databaseVersion: 1 }],
    });
  });

  it('is made of a few chats all the time, which counts and drops what is wrong', async () => {
    await database.query(`UPDATE chat SET title = 'wrong' WHERE id = $1`, [chatId]);
    await one.instance.app.get(Sampler).sample();
    expect(one.instance.app.get(CacheStats).divergence).toBe(1);
    expect(state.store.getChat(chatId)).toBeUndefined();
  });
});

describe('an explanation of what is held', () => {
  it('tells versions, blocks, bytes, and how the entry came to its version', async () => {
    await one.api.send(chatId, { senderId: 'ann', text: 'the last' });
    const { body } = await one.api.get<Record<string, unknown>>(`/v1/admin/cache/chats/${chatId}`);
    const version = MESSAGES + 2;
    expect(body).toMatchObject({
      cached: true,
      present: true,
      cachedVersion: version,
      heardVersion: version,
      databaseVersion: version,
      participants: 2,
      source: 'fill',
    });
    const blocks = body['blocks'] as { fromSeq: number; toSeq: number; bytes: number }[];
    expect(blocks.map(({ fromSeq, toSeq }) => [fromSeq, toSeq])).toEqual([
      [1, 64],
      [65, 128],
      [129, 192],
      [193, MESSAGES + 1],
    ]);
    expect(body['bytes']).toBeGreaterThan(blocks.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(body['hits']).toBeGreaterThan(0);
    const changes = body['changes'] as object[];
    expect(changes[0]).toMatchObject({ version, kind: 'message sent', from: 'own' });
    expect(changes).toHaveLength(20);
  });

  it('says no more than that a chat is not held', async () => {
    const { body } = await one.api.get('/v1/admin/cache/chats/01980000-0000-7000-8000-0000000000bb');
    expect(body).toEqual({ cached: false });
  });
});
