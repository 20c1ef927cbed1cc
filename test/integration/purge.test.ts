import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Client } from 'pg';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { WireChanges, WireChat, WireMessage, WirePage } from '../../src/cache/wire-types.js';
import { Database } from '../../src/storage/database.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { Purger, type PurgeReport, type PurgeSettings } from '../../src/transfer/purger.js';
import { ChatReplica } from '../e2e/chat-replica.js';
import { seededRuns } from '../e2e/property.js';
import { historyStep, runStep } from '../e2e/random-history.js';
import type { ApiClient } from '../support/api-client.js';
import { DEADLINE_MS, ScriptProcess } from '../support/process.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const DAY_MS = 86_400_000;
const OLD = new Date(Date.now() - 100 * DAY_MS).toISOString();

/** Purges in a process of its own, one chat after the other. */
const PURGE_SCRIPT = `
  const load = (path) => import(new URL(path, '${new URL('../../src/', import.meta.url).href}').href);
  const { DataSource } = await import('typeorm');
  const { storageOptions } = await load('storage/data-source-options.js');
  const { Database } = await load('storage/database.js');
  const { Purger } = await load('transfer/purger.js');
  const source = await new DataSource(storageOptions({ url: process.argv[1] })).initialize();
  const settings = { scanChats: 1, batchChats: 1, batchMessages: 2 };
  await new Purger(new Database(source), {}, settings).run({ olderThanMs: ${90 * DAY_MS} });
`;

describe('a purge', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    // It looks by itself only once a minute: each test says when.
    running = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
    ({ api } = running);
  });
  afterAll(() => running.close());

  const poll = (): Promise<void> => running.instance.app.get(Poller).pollOnce();
  const purge = (settings: Partial<PurgeSettings> = {}, chatIds?: readonly string[]): Promise<PurgeReport> =>
    new Purger(running.instance.app.get(Database), {}, settings).run({ olderThanMs: 90 * DAY_MS, chatIds });
  const chatOf = async (old: number, young: number): Promise<string> => {
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    for (let at = 0; at < old; at++) {
      await api.send(id, { senderId: 'ann', text: `secret ${at}`, clientId: `old-${at}`, createdAt: OLD });
    }
    for (let at = 0; at < young; at++) await api.send(id, { senderId: 'ann', text: `news ${at}` });
    return id;
  };
  const seqsLeft = async (chatId: string): Promise<number[]> =>
    (
      await running.database.query<{ seq: string }>('SELECT seq FROM message WHERE chat_id = $1 ORDER BY seq', [chatId])
    ).map((row) => Number(row.seq));
  const walk = async (chatId: string, limit: number, direction: 'before' | 'after'): Promise<number[]> => {
    const found: number[] = [];
    let query = direction === 'before' ? '' : '&after=0';
    for (let pages = 0; ; pages++) {
      expect(pages).toBeLessThan(500);
      const page: WirePage = await api.page(chatId, `?limit=${limit}${query}`);
      const seqs = page.items.map(({ seq }) => seq);
      if (direction === 'before') found.unshift(...seqs);
      else found.push(...seqs);
      if (!(direction === 'before' ? page.hasOlder : page.hasNewer)) return found;
      // Whoever is told that there is more is given a place to go on from.
      expect(seqs.length).toBeGreaterThan(0);
      query = `&${direction}=${direction === 'before' ? seqs[0] : seqs.at(-1)}`;
    }
  };

  it('leaves nothing of old messages in the database, and after one poll nothing in answers', async () => {
    const mixed = await chatOf(70, 3);
    const gone = await chatOf(5, 0);
    const path = `/v1/chats/${mixed}`;
    await api.patch(`${path}/messages/2`, { text: 'secret edit' });
    await api.delete(`${path}/messages/3`);
    await api.as('ben').put(`${path}/messages/4/reactions/ok`);
    await api.as('ben').put(`${path}/read`, { seq: 2 });
    for (const id of [mixed, gone]) await walk(id, 50, 'before');
    const unread = async (): Promise<object> =>
      Object.fromEntries((await api.inbox('ben')).items.map((item) => [item.chat.id, item.unread]));
    expect(await unread()).toMatchObject({ [mixed]: 70, [gone]: 5 });
    const { version: since, lastSeq } = (await api.get<WireChat>(path)).body;

    expect(await purge({ batchMessages: 20 })).toMatchObject({ messages: 75, chats: 2, held: [] });
    await poll();

    for (const table of ['message', 'message_edit', 'reaction']) {
      const rows = await running.database.query(`SELECT * FROM ${table} WHERE chat_id = ANY ($1)`, [[mixed, gone]]);
      expect({ table, rows: rows.length, text: JSON.stringify(rows) }).toMatchObject({
        table,
        rows: table === 'message' ? 3 : 0,
        text: expect.not.stringContaining('secret'),
      });
    }
    expect(await api.page(mixed)).toMatchObject({
      items: [{ seq: 71 }, { seq: 72 }, { seq: 73 }],
      hasOlder: false,
      hasNewer: false,
    });
    expect(await api.page(gone)).toMatchObject({ items: [], hasOlder: false, hasNewer: false });
    for (const query of ['?before=40', '?before=71', '?around=10&limit=5', '?after=0', '?around=firstUnread']) {
      const page = await api.as('ben').get<WirePage>(`${path}/messages${query}`);
      expect(JSON.stringify(page.body)).not.toContain('secret');
    }
    expect((await api.page(mixed, '?after=10&limit=2')).items.map(({ seq }) => seq)).toEqual([71, 72]);
    for (const seq of [1, 2, 64, 70]) expect((await api.get(`${path}/messages/${seq}`)).status).toBe(404);
    for (const version of [0, 1, since]) {
      expect((await api.get(`${path}/changes?since=${version}`)).status).toBe(410);
    }
    const after = (await api.get<WireChat>(path)).body;
    expect(after.lastSeq).toBe(lastSeq);
    expect(after.version).toBeGreaterThan(since);
    expect((await api.changes(mixed, after.version)).messages).toEqual([]);
    const inbox = await api.inbox('ben');
    expect(JSON.stringify(inbox)).not.toContain('secret');
    expect(await unread()).toMatchObject({ [mixed]: 3, [gone]: 0 });
    expect(inbox.items.find((item) => item.chat.id === gone)!.lastMessage ?? null).toBeNull();

    // The line goes on where it was, and what was purged is no more known by its client id.
    expect((await api.send(gone, { senderId: 'ann', text: 'again', clientId: 'old-0' })).seq).toBe(6);
    expect(await api.page(gone)).toMatchObject({ items: [{ seq: 6 }], hasOlder: false });
    expect(await purge()).toMatchObject({ messages: 0, chats: 0 });
  });

  it('tells clients that follow changes to reload, after which they have what the database has', async () => {
    const round = fc.record({
      steps: fc.array(historyStep, { minLength: 1, maxLength: 12 }),
      aged: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(round, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 5 }),
        async (rounds, limit) => {
          const { id } = await api.createChat({ participants: ['ann', 'ben'].map((userId) => ({ userId })) });
          let replica = await ChatReplica.load(api, id);
          for (const { steps, aged } of rounds) {
            for (const step of steps) await runStep(api, id, step);
            await replica.catchUp(api, id, limit);
            await running.database.query(
              `UPDATE message SET created_at = $3 WHERE chat_id = $1 AND seq = ANY ($2::bigint[])`,
              [id, aged, OLD],
            );
            const before = await seqsLeft(id);
            const expected = before.filter((seq) => !aged.includes(seq));
            const { messages } = await purge({ batchMessages: 3 }, [id]);
            expect(messages).toBe(before.length - expected.length);
            await poll();
            const changes = await api.get<WireChanges>(`/v1/chats/${id}/changes?since=${replica.version}`);
            expect(changes.status).toBe(messages > 0 ? 410 : 200);
            if (messages > 0) replica = await ChatReplica.load(api, id);
            expect(replica.state.messages.map(({ seq }) => seq)).toEqual(expected);
            expect(await walk(id, limit, 'before')).toEqual(expected);
            expect(await walk(id, limit, 'after')).toEqual(expected);
            for (const around of [1, 3, 20]) {
              const { items } = await api.page(id, `?around=${around}&limit=${limit}`);
              expect(items.length > 0).toBe(expected.length > 0);
            }
          }
        },
      ),
      seededRuns('purges in random histories', 15),
    );
  });

  it('loses and doubles nothing of what is written meanwhile', async () => {
    const chats = [await chatOf(40, 0), await chatOf(40, 0), await chatOf(40, 0)];
    let isDone = false;
    const sent = new Map<string, number[]>(chats.map((id) => [id, []]));
    const writers = [0, 1, 2, 3].map(async (writer) => {
      for (let at = 0; !isDone || at < 20; at++) {
        const chatId = chats[(at + writer) % chats.length]!;
        const message = { senderId: 'ben', text: `kept ${writer} ${at}`, clientId: `w${writer}-${at}` };
        const { seq } = await api.send(chatId, message);
        sent.get(chatId)!.push(seq);
        // The same send again finds the first one.
        if (at % 5 === 0) expect((await api.send(chatId, message)).seq).toBe(seq);
        if (at % 3 === 0) {
          const answer = await api.patch<WireMessage>(`/v1/chats/${chatId}/messages/${seq}`, { text: `edit ${at}` });
          expect(answer.status).toBe(200);
        }
      }
    });
    let purged = 0;
    for (let rounds = 0; purged < 120 && rounds < 50; rounds++) {
      purged += (await purge({ batchMessages: 3, batchChats: 2, heldRounds: 1, heldPauseMs: 1 }, chats)).messages;
    }
    isDone = true;
    await Promise.all(writers);
    await purge({}, chats);
    await poll();
    for (const chatId of chats) {
      const seqs = sent.get(chatId)!.sort((one, other) => one - other);
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_unused, at) => 41 + at));
      expect(await seqsLeft(chatId)).toEqual(seqs);
      expect(await walk(chatId, 7, 'before')).toEqual(seqs);
    }
  });

  it('leaves a chat that somebody holds for later, and is not held up by it', async () => {
    const [held, free] = [await chatOf(3, 1), await chatOf(3, 1)];
    const foreign = new Client({ connectionString: running.database.url });
    await foreign.connect();
    await foreign.query('BEGIN');
    await foreign.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [held]);
    const first = await purge({ heldRounds: 2, heldPauseMs: 1 }, [held, free]);
    expect(first).toMatchObject({ messages: 3, held: [{ chatId: held, messages: 3 }] });
    expect([await seqsLeft(held), await seqsLeft(free)]).toEqual([[1, 2, 3, 4], [4]]);
    const second = purge({ heldRounds: 1000, heldPauseMs: 5 }, [held, free]);
    await foreign.query('COMMIT');
    await foreign.end();
    expect(await second).toMatchObject({ messages: 3, held: [] });
    expect(await seqsLeft(held)).toEqual([4]);
  });

  it('goes on where it was when it was killed', async () => {
    const chats: string[] = [];
    for (let at = 0; at < 4; at++) chats.push(await chatOf(5, 1));
    chats.sort();
    const foreign = new Client({ connectionString: running.database.url });
    await foreign.connect();
    await foreign.query('BEGIN');
    await foreign.query('SELECT FROM message WHERE chat_id = $1 AND seq = 3 FOR UPDATE', [chats[2]]);
    const script = ScriptProcess.start(PURGE_SCRIPT, [running.database.url]);
    const isWaiting = async (): Promise<boolean> =>
      (
        await running.database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
      ).length > 0;
    expect(await waitUntil(isWaiting, DEADLINE_MS)).toBe(true);
    await script.kill('SIGKILL');
    await foreign.query('COMMIT');
    await foreign.end();
    // What the killed one had open is undone before anybody else has these chats.
    const isQuiet = async (): Promise<boolean> => (await purge({ heldRounds: 0 }, chats)).held.length === 0;
    expect(await seqsLeft(chats[0]!)).toEqual([6]);
    expect((await seqsLeft(chats[3]!)).length).toBeGreaterThan(1);
    expect(await waitUntil(isQuiet, DEADLINE_MS)).toBe(true);
    await poll();
    for (const chatId of chats) {
      expect(await seqsLeft(chatId)).toEqual([6]);
      expect(await walk(chatId, 2, 'before')).toEqual([6]);
    }
  });

  it('counts what it would delete when that is all it is asked for', async () => {
    const [one, other] = [await chatOf(3, 1), await chatOf(2, 0)];
    const found: object[] = [];
    const purger = new Purger(running.instance.app.get(Database), { onFound: (each) => found.push(each) });
    const report = await purger.count({ olderThanMs: 90 * DAY_MS, chatIds: [other, one.toUpperCase(), one] });
    expect(report).toEqual({ messages: 5, chats: 2, held: [] });
    expect(found).toHaveLength(2);
    expect(found).toEqual(
      expect.arrayContaining([
        { chatId: one, messages: 3, throughSeq: 3 },
        { chatId: other, messages: 2, throughSeq: 2 },
      ]),
    );
    expect([await seqsLeft(one), await seqsLeft(other)]).toEqual([
      [1, 2, 3, 4],
      [1, 2],
    ]);
  });

  it('refuses chats that never existed, and deletes nothing of the others it is given', async () => {
    const known = await chatOf(2, 0);
    const unknown = '00000000-0000-7000-8000-000000000000';
    await expect(purge({}, [known, unknown])).rejects.toThrow(`There is no chat ${unknown}. Nothing was deleted.`);
    expect(await seqsLeft(known)).toEqual([1, 2]);
    // A deleted chat has messages that can be too old as well.
    await api.delete(`/v1/chats/${known}`);
    expect(await purge({}, [known.toUpperCase()])).toMatchObject({ messages: 2 });
  });
});
