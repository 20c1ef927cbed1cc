import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { migrationSession, storageOptions } from '../../src/storage/data-source-options.js';
import { Database } from '../../src/storage/database.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { startDatabaseProxy, type DatabaseProxy } from '../support/database-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const PID = { name: 'test-pid', text: 'SELECT pg_backend_pid() AS pid' };

const LONG_MS = 10_000;

/**
 * A server that goes down says so right behind its last answer. A process that is busy reads both in one turn, in which the pool
 * passes the connection from one user to the next: there must be no moment at which nobody listens for its errors, or Node
 * ends the process.
 */
describe('a connection of the pool that is thrown out while it passes to its next user', () => {
  let own: TestDatabase;
  let way: DatabaseProxy;
  let dataSource: DataSource;

  beforeEach(async () => {
    own = await createTestDatabase();
    way = await startDatabaseProxy(own);
  });

  afterEach(async () => {
    await dataSource?.destroy();
    await way?.proxy.stop();
    await own?.drop();
  });

  async function open(options: DataSourceOptions): Promise<Database> {
    dataSource = await new DataSource(options).initialize();
    return new Database(dataSource);
  }

  /** Throws out every connection that says something in `speak`; the other side reads its last words in one piece. */
  async function throwOutWhile<T>(speak: () => T): Promise<T> {
    const { proxy } = way;
    const hasSpoken = (): boolean => proxy.gathered.some(({ chunks }) => chunks.length > 0);
    const isOver = (): boolean => proxy.gathered.length > 0 && proxy.gathered.every(({ isEnded }) => isEnded);
    proxy.gather();
    const spoken = speak();
    expect(await waitUntil(hasSpoken, LONG_MS)).toBe(true);
    await own.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE pid <> pg_backend_pid() AND datname = current_database()`,
    );
    expect(await waitUntil(isOver, LONG_MS)).toBe(true);
    proxy.passGathered();
    return spoken;
  }

  it('fails the transaction of the next one, and nothing else', async () => {
    const database = await open(storageOptions({ url: way.url }, { poolMax: 1 }));
    const { answering, failing } = await throwOutWhile(() => ({
      answering: database.query<{ pid: number }>('read', PID, []),
      failing: database.transaction((transaction) => transaction.query(PID, [])).catch((error: unknown) => error),
    }));
    const [answer] = await answering;
    expect(await failing).toBeInstanceOf(Error);
    const [next] = await database.transaction((transaction) => transaction.query<{ pid: number }>(PID, []));
    expect(next!.pid).not.toBe(answer!.pid);
  });

  it('is noticed by a transaction that follows a transaction', async () => {
    const database = await open(storageOptions({ url: way.url }, { poolMax: 1 }));
    const pid = (): Promise<{ pid: number }[]> => database.transaction((transaction) => transaction.query(PID, []));
    await pid();
    const { committing, failing } = await throwOutWhile(() => ({
      committing: pid().catch((error: unknown) => error),
      failing: pid().catch((error: unknown) => error),
    }));
    expect([await committing, await failing]).toContainEqual(expect.any(Error));
    expect(await pid()).toHaveLength(1);
  });

  it('is noticed by a migration as well', async () => {
    const database = await open(migrationSession(storageOptions({ url: way.url })));
    const { answering, failing } = await throwOutWhile(() => ({
      answering: database.query<{ pid: number }>('read', PID, []),
      failing: database.transaction((transaction) => transaction.query(PID, [])).catch((error: unknown) => error),
    }));
    expect(await answering).toHaveLength(1);
    expect(await failing).toBeInstanceOf(Error);
  });
});
