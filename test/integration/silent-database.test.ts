import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { closeConnections } from '../../src/storage/close-connections.js';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { DatabaseSilentError } from '../../src/storage/database-silent-error.js';
import { Database, type Transaction } from '../../src/storage/database.js';
import { CommitOutcomeUnknownError } from '../../src/storage/open-transaction.js';
import { commitError } from '../../src/storage/write/commit-error.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const LIMIT_MS = 300;

/** Where a statement has to be answered in time on a busy machine. */
const LONG_LIMIT_MS = 3000;

const INSERT = { name: 'test-insert', text: `INSERT INTO chat (title) VALUES ($1)` };
const SLEEP = { name: 'test-sleep', text: 'SELECT pg_sleep($1)' };

describe('a database that does not answer', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let dataSource: DataSource;
  let written: Database;
  beforeAll(async () => {
    database = await createTestDatabase();
    const way = await startDatabaseProxy(database);
    ({ proxy } = way);
    dataSource = await new DataSource(storageOptions({ url: way.url })).initialize();
    written = new Database(dataSource);
  });
  afterAll(async () => {
    await closeConnections(dataSource);
    await proxy.stop();
    await database.drop();
  });

  const write = (work: (transaction: Transaction) => Promise<unknown>, limitMs = LIMIT_MS): Promise<unknown> =>
    written.transaction(work, { answerLimitMs: limitMs }).catch((error: unknown) => error);
  const titles = async (): Promise<string[]> =>
    (await database.query<{ title: string }>('SELECT title FROM chat')).map(({ title }) => title);

  it('ends a write in time, which has written nothing and is told so', async () => {
    const failure = await write(async (transaction) => {
      await transaction.query(INSERT, ['lost']);
      proxy.freeze();
      await transaction.query(INSERT, ['lost as well']);
    });
    expect(failure).toBeInstanceOf(DatabaseSilentError);
    expect(commitError(failure)).toMatchObject({ code: 'database_unavailable' });
    proxy.thaw();
    expect(await titles()).toEqual([]);
  });

  it('leaves it unknown whether a write is committed whose COMMIT was sent', async () => {
    const failure = await write(async (transaction) => {
      await transaction.query(INSERT, ['perhaps']);
      proxy.freeze();
      transaction.commit();
    }, LONG_LIMIT_MS);
    expect(failure).toBeInstanceOf(CommitOutcomeUnknownError);
    proxy.thaw();
  });

  it('is waited for as long as it answers something, and the connection is used again', async () => {
    const slowly = async (transaction: Transaction): Promise<number> => {
      for (let at = 0; at < 8; at++) await transaction.query(SLEEP, [LONG_LIMIT_MS / 6 / 1000]);
      return 8;
    };
    expect(await write(slowly, LONG_LIMIT_MS)).toBe(8);
    expect(await written.query('read', SLEEP, [0])).toHaveLength(1);
  });

  it('does not hold up who closes the connections', async () => {
    const other = await new DataSource(dataSource.options).initialize();
    const asking = new Database(other).query('read', SLEEP, [0]);
    await asking;
    proxy.freeze();
    const waiting = new Database(other).query('read', SLEEP, [0]).catch((error: unknown) => error);
    await closeConnections(other);
    expect(await waiting).toBeInstanceOf(Error);
    expect(other.isInitialized).toBe(false);
    proxy.thaw();
  });
});
