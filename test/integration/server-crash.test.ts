import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { CacheState } from '../../src/cache/cache-state.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { Moment } from '../../src/cache/coherence/lease.js';
import { DurableDatabase } from '../faults/durable-database.js';
import { makeTestFolder } from '../support/process.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

/** Transactions whose ids the server has given out and not on its disk when it crashes. */
const FORGOTTEN = 2000;

/** So long that a horizon is certainly on the disk. */
const LONG_MS = 61_000;

/**
 * A server that crashes gives the ids of transactions that were not on its disk to others, and takes back what was committed without
 * waiting for the disk. Its identity stays the same.
 */
describe('an instance whose PostgreSQL crashes', () => {
  let folder: Awaited<ReturnType<typeof makeTestFolder>>;
  let server: DurableDatabase;
  let instance: TestInstance;
  let skippedMs = 0;

  beforeEach(async () => {
    folder = await makeTestFolder();
    server = await DurableDatabase.start(join(folder.path, 'data'));
    // What is not waited for gets to the disk late, so that a crash finds much to forget.
    await server.configure({ wal_writer_delay: '10s', checkpoint_timeout: '1h', autovacuum: 'off' });
    const settings = {
      DATABASE_URL: server.url,
      COHERENCE_BUS: 'none',
      COHERENCE_POLL_MS: '60000',
      STALENESS_BOUND_MS: '600000',
    };
    instance = await startTestInstance(settings, {
      url: server.url,
      query: (sql, values) => server.query(sql, values),
      drop: async () => undefined,
    });
    skippedMs = 0;
    const { lease } = instance.instance.app.get(CacheState);
    const now = lease.now;
    Object.assign(lease, {
      now: (): Moment => {
        const { monotonicMs, wallMs } = now();
        return { monotonicMs: monotonicMs + skippedMs, wallMs: wallMs + skippedMs };
      },
    });
  });
  afterEach(async () => {
    await instance?.close();
    await server?.stop();
    await folder?.remove();
  });

  const poll = (): Promise<void> => instance.instance.app.get(Poller).pollOnce();
  const horizon = async (): Promise<bigint> => {
    const [row] = await server.query<{ xmin: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin');
    return BigInt(row!.xmin);
  };
  const title = async (chatId: string): Promise<string> =>
    (await instance.api.get<{ title: string }>(`/v1/chats/${chatId}`)).body.title;
  const isHeld = (chatId: string): boolean => instance.instance.app.get(CacheState).store.getChat(chatId) !== undefined;

  /** Has the server give out ids that it forgets, and the instance see that they are over. @returns the horizon that it goes by. */
  async function forgetIds(): Promise<bigint> {
    await server.query(
      `DO $$ BEGIN FOR n IN 1..${FORGOTTEN} LOOP PERFORM pg_current_xact_id(); ROLLBACK; END LOOP; END $$`,
    );
    await poll();
    return horizon();
  }

  it.each([
    ['has run for long, keeping what has not changed', LONG_MS, true],
    ['has only just begun, beginning anew', 0, false],
  ])('and that %s, misses no change behind the ids that it has seen', async (_what, ranMs, keeps) => {
    const [quiet, edited] = [
      await instance.api.createChat({ title: 'quiet' }),
      await instance.api.createChat({ title: 'before' }),
    ];
    for (const { id } of [quiet, edited]) await title(id);
    // Not each look's horizon is kept.
    skippedMs += 2000;
    await poll();
    skippedMs += ranMs;
    const before = await forgetIds();
    await server.stopImmediately(0);
    expect(await horizon()).toBeLessThan(before);
    await server.query(`UPDATE chat SET title = 'after' WHERE id = $1`, [edited.id]);
    expect(await horizon()).toBeLessThan(before);
    await poll();
    expect(isHeld(quiet.id)).toBe(keeps);
    expect([await title(quiet.id), await title(edited.id)]).toEqual(['quiet', 'after']);
  });

  it.each<[string, () => Promise<void>]>([
    ['as a whole', () => server.stopImmediately(0)],
    ['by one of its processes, and is not started anew,', () => server.killBackend()],
  ])('%s forgets what was committed without waiting for the disk, and lost', async (_how, crash) => {
    const { id } = await instance.api.createChat({ title: 'kept' });
    await title(id);
    skippedMs += 2000;
    await poll();
    skippedMs += LONG_MS;
    await poll();
    await server.query(`SET synchronous_commit = off; UPDATE chat SET title = 'lost' WHERE id = '${id}'`);
    await poll();
    expect(await title(id)).toBe('lost');
    // One that was lost as well, and has come here before those that lead to it.
    const { early } = instance.instance.app.get(CacheState);
    early.keep(id, { type: 'removed', version: 4 });
    await crash();
    // The first may be on a connection that the crash has cut.
    await poll().catch(() => undefined);
    await poll();
    expect(early.size).toBe(0);
    expect(await title(id)).toBe('kept');
    // The version is given out again, with other content.
    await server.query(`UPDATE chat SET title = 'new' WHERE id = $1`, [id]);
    await poll();
    expect(await title(id)).toBe('new');
  });

  it('goes on as before when the server has only thrown it out', async () => {
    const { id } = await instance.api.createChat({ title: 'held' });
    await title(id);
    await poll();
    skippedMs += LONG_MS;
    await poll();
    await server.terminateBackends();
    await poll().catch(() => undefined);
    await poll();
    expect(isHeld(id)).toBe(true);
  });
});
