import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { MessageCache } from '../../src/cache/message-cache.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

describe('two instances on one database', () => {
  let database: TestDatabase;
  let one: TestInstance;
  let other: TestInstance;
  const poll = (instance: TestInstance): Promise<void> => instance.instance.app.get(Poller).pollOnce();

  beforeAll(async () => {
    database = await createTestDatabase();
    // They look by themselves only once a minute: each test says when.
    one = await startTestInstance({ COHERENCE_POLL_MS: '60000', COHERENCE_BUS: 'none' }, database);
    other = await startTestInstance({ COHERENCE_POLL_MS: '60000', COHERENCE_BUS: 'none' }, database);
  });
  afterAll(async () => {
    await one.close();
    await other.close();
    await database.drop();
  });

  it('see what the other wrote after the next poll, in a chat that they hold', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'ann' }] });
    expect((await other.api.page(chat.id)).items).toEqual([]);
    const sent = await one.api.send(chat.id, { senderId: 'ann', text: 'news' });
    await poll(other);
    const read = await other.api.get<{ items: unknown[] }>(`/v1/chats/${chat.id}/messages`);
    expect(read.headers.get('cache-status')).toBe('scrollback; fwd=miss');
    expect(read.body.items).toEqual([sent]);
  });

  it('see a chat that they had found absent', async () => {
    const id = '01980000-0000-7000-8000-0000000000aa';
    expect((await other.api.get(`/v1/chats/${id}`)).status).toBe(404);
    await one.api.createChat({ id });
    await poll(other);
    expect((await other.api.get(`/v1/chats/${id}`)).status).toBe(200);
  });

  it('see in an inbox that they hold a chat that they do not', async () => {
    expect((await other.api.inbox('zoe')).items).toEqual([]);
    const chat = await one.api.createChat({ participants: [{ userId: 'yan' }] });
    await one.api.put(`/v1/chats/${chat.id}/participants/zoe`, {});
    await poll(other);
    expect((await other.api.inbox('zoe')).items.map((item) => item.chat.id)).toEqual([chat.id]);
    await one.api.delete(`/v1/chats/${chat.id}/participants/zoe`);
    await poll(other);
    expect((await other.api.inbox('zoe')).items).toEqual([]);
  });

  it('answer with a version that a reader asks for, before the next poll', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'ann' }] });
    await other.api.page(chat.id);
    await one.api.send(chat.id, { senderId: 'ann', text: 'mine' });
    const read = await other.api.get<{ version: number }>(`/v1/chats/${chat.id}/messages`, { 'min-chat-version': '2' });
    expect(read.body.version).toBe(2);
  });

  it('show no page older than the changes that they have told, before the next poll', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'ann' }] });
    await other.api.page(chat.id);
    await one.api.send(chat.id, { senderId: 'ann', text: 'told by changes' });
    const path = `/v1/chats/${chat.id}/changes?since=0`;
    expect((await other.api.get<{ version: number }>(path)).body.version).toBe(2);
    expect((await other.api.page(chat.id)).version).toBe(2);
  });

  it('tell who was removed nothing of what came later, before the next poll', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'ann' }, { userId: 'bob' }] });
    await other.api.page(chat.id);
    await one.api.delete(`/v1/chats/${chat.id}/participants/bob`);
    await one.api.send(chat.id, { senderId: 'ann', text: 'not for bob' });
    const cache = other.instance.app.get(MessageCache);
    expect(await cache.getChanges(chat.id, 0, 100, { viewer: 'bob' })).toBeUndefined();
    expect((await cache.getChanges(chat.id, 0, 100, { viewer: 'ann' }))!.value.messages).toHaveLength(1);
  });

  it('count the participants that are left when a row has vanished, before the next poll', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'ann' }, { userId: 'bob' }] });
    await other.api.page(chat.id);
    await database.query(`DELETE FROM participant WHERE chat_id = $1 AND user_id = 'bob'`, [chat.id]);
    const changes = await other.api.get<{ version: number; chat: { participantCount: number } }>(
      `/v1/chats/${chat.id}/changes?since=2`,
    );
    expect(changes.status).toBe(200);
    await one.api.send(chat.id, { senderId: 'ann', text: 'after it' });
    const later = await other.api.get<{ chat: { participantCount: number } }>(`/v1/chats/${chat.id}/changes?since=2`);
    expect(later.body.chat.participantCount).toBe(1);
  });

  it('lose no change that was in a transaction still open while later ones were polled', async () => {
    const held = await one.api.createChat({ participants: [{ userId: 'ann' }] });
    const busy = await one.api.createChat({ participants: [{ userId: 'ann' }] });
    await other.api.page(held.id);
    await other.api.page(busy.id);
    const foreign = new Client({ connectionString: database.url });
    await foreign.connect();
    // Somebody else's transaction takes its id first and commits last.
    await foreign.query('BEGIN');
    await foreign.query(
      `UPDATE chat_head SET version = version + 1, changed_xid = pg_current_xact_id() WHERE chat_id = $1`,
      [held.id],
    );
    await foreign.query(`UPDATE chat SET title = 'late' WHERE id = $1`, [held.id]);
    for (let round = 1; round <= 3; round++) {
      await one.api.send(busy.id, { senderId: 'ann', text: `round ${round}` });
      await poll(other);
      expect((await other.api.page(busy.id)).items).toHaveLength(round);
    }
    await foreign.query('COMMIT');
    await foreign.end();
    await poll(other);
    expect((await other.api.get<{ title: string }>(`/v1/chats/${held.id}`)).body.title).toBe('late');
  });
});
