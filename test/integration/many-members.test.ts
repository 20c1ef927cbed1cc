import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WireChanges, WireChat, WireParticipants } from '../../src/cache/wire-types.js';
import { MessageCache } from '../../src/cache/message-cache.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { DEADLINE_MS } from '../support/process.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { LoggingServer, type LoggedStatement } from './statement-log.js';

const MEMBERS = 100_000;
/** How often each kind of thing is done. */
const ROUNDS = 20;
/** Rows of participants that one operation may look at. */
const ROWS_EACH = 10;

const CHAT = '01980000-0000-7000-8000-000000000001';
const PATH = `/v1/chats/${CHAT}`;

function userOf(number: number): string {
  return `user-${String(number).padStart(6, '0')}`;
}

describe('a chat of 100,000 members', () => {
  let server: LoggingServer;
  let running: TestInstance;
  // Heartbeats of a bus are statements as well.
  const settings = { COHERENCE_POLL_MS: '60000', STALENESS_BOUND_MS: '600000', COHERENCE_BUS: 'none' };
  const start = (): Promise<TestInstance> => startTestInstance(settings, server.database);
  beforeAll(async () => {
    server = await LoggingServer.start();
    running = await start();
    const { query } = server.database;
    // The rows come with their heads and versions, as the application writes them.
    await query(`SET scrollback.writer = 'application'`);
    await query(`INSERT INTO chat (id, title) VALUES ($1, 'everybody')`, [CHAT]);
    await query(
      `INSERT INTO participant (chat_id, user_id, role, version)
       SELECT $1, 'user-' || lpad(n::text, 6, '0'), CASE WHEN n = 1 THEN 'owner' ELSE 'member' END, n
       FROM generate_series(1, ${MEMBERS}) n`,
      [CHAT],
    );
    await query(
      `INSERT INTO message (chat_id, seq, version, sender_id, text)
       SELECT $1, n, ${MEMBERS} + n, 'user-000002', 'text ' || n FROM generate_series(1, 100) n`,
      [CHAT],
    );
    await query('INSERT INTO chat_head (chat_id, last_seq, version) VALUES ($1, 100, $2)', [CHAT, MEMBERS + 100]);
    await query('RESET scrollback.writer');
    await query('VACUUM ANALYZE');
  });
  afterAll(async () => {
    await running.close();
    await server.stop();
  });

  /** Starts the instance anew. @returns rows of participants that the server had looked at when none ran. */
  const restart = async (): Promise<number> => {
    await running.close();
    // What a connection has done is counted when it ends.
    const isGone = async (): Promise<boolean> =>
      (await server.database.query(`SELECT FROM pg_stat_activity WHERE application_name = 'scrollback'`)).length === 0;
    expect(await waitUntil(isGone, DEADLINE_MS)).toBe(true);
    const [row] = await server.database.query<{ rows: string }>(
      `SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_user_tables WHERE relname = 'participant'`,
    );
    running = await start();
    return Number(row!.rows);
  };
  const isLoad = ({ statement }: LoggedStatement): boolean =>
    /^load-(chats|tail-chats|messages|user-chats)$/.test(statement);

  it('is paged through completely, each user once, in order', async () => {
    const userIds: string[] = [];
    for (let after: string | null = ''; after !== null;) {
      const query: string = after === '' ? '' : `&after=${after}`;
      const { status, body } = await running.api.get<WireParticipants>(`${PATH}/participants?limit=200${query}`);
      expect(status).toBe(200);
      userIds.push(...body.items.map(({ userId }) => userId));
      after = body.nextAfter;
    }
    expect(userIds).toEqual(Array.from({ length: MEMBERS }, (_unused, at) => userOf(at + 1)));
    expect((await running.api.get<WireChat>(PATH)).body).toMatchObject({ participantCount: MEMBERS });
  });

  it('is loaded once: reads ask the database nothing more, and no write or change looks through the members', async () => {
    const before = await restart();
    const { api, instance } = running;
    const cache = instance.app.get(MessageCache);
    await api.get(PATH);
    await api.get(`${PATH}/participants`);
    let version = (await api.get<WireChat>(PATH)).body.version;

    const reads = await server.record(async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const query = `?limit=200&after=${userOf(round * 5000)}`;
        const page = await api.get<WireParticipants>(`${PATH}/participants${query}`);
        expect(page.body.items[0]!.userId).toBe(userOf(round * 5000 + 1));
        expect(page.headers.get('cache-status')).toBe('scrollback; hit');
        // Who is a member sees the chat, and who is not does not.
        expect((await cache.getMessages(CHAT, {}, { viewer: userOf(round * 5000 + 1) }))?.source).toBe('hit');
        expect(await cache.getMessages(CHAT, {}, { viewer: `nobody-${round}` })).toBeUndefined();
      }
    });
    expect(reads.filter(({ statement }) => statement !== 'poll-heads')).toEqual([]);

    const writes = await server.record(async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const person = `${PATH}/participants/${userOf(round * 5000 + 7)}x`;
        expect((await api.put(person)).status).toBe(201);
        const page = await api.get<WireParticipants>(`${PATH}/participants?limit=2&after=${userOf(round * 5000 + 6)}`);
        expect(page.body.items.map(({ userId }) => userId)).toEqual([
          userOf(round * 5000 + 7),
          `${userOf(round * 5000 + 7)}x`,
        ]);
        expect((await api.put(person, { role: 'admin' })).status).toBe(200);
        expect((await api.send(CHAT, { senderId: userOf(3), text: 'hello' })).seq).toBe(101 + round);
        expect((await api.as(userOf(50 + round)).put(`${PATH}/read`, { seq: 90 })).status).toBe(200);
        expect((await api.delete(`${PATH}/messages/${round + 1}`)).status).toBe(204);
        expect((await api.delete(person)).status).toBe(204);
        const changes = await api.get<WireChanges>(`${PATH}/changes?since=${version}`);
        expect(changes.body).toMatchObject({ more: false, chat: { participantCount: MEMBERS } });
        version = changes.body.version;
      }
      expect((await api.get<WireChat>(PATH)).headers.get('cache-status')).toBe('scrollback; hit');
    });
    expect(writes.filter(isLoad)).toEqual([]);
    expect(writes.filter(({ statement }) => statement === 'count-participants')).toEqual([]);
    expect(writes.filter(({ statement }) => statement === 'load-changes')).toHaveLength(ROUNDS);
    expect(writes.filter(({ statement }) => statement === 'COMMIT')).toHaveLength(6 * ROUNDS);

    // One fill, and the rows that each of the operations is about.
    const read = (await restart()) - before;
    expect(read).toBeGreaterThanOrEqual(MEMBERS);
    expect(read).toBeLessThan(MEMBERS + 7 * ROUNDS * ROWS_EACH);
  });

  it('keeps its last owner, whom alone it counts for', async () => {
    const { api } = running;
    const statements = await server.record(async () => {
      expect((await api.delete(`${PATH}/participants/${userOf(1)}`)).status).toBe(409);
      expect((await api.put(`${PATH}/participants/${userOf(2)}`, { role: 'owner' })).status).toBe(200);
      expect((await api.delete(`${PATH}/participants/${userOf(1)}`)).status).toBe(204);
      expect((await api.delete(`${PATH}/participants/${userOf(2)}`)).status).toBe(409);
    });
    expect(statements.filter(({ statement }) => statement === 'count-participants')).toHaveLength(3);
  });
});
