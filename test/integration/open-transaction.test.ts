import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { Database } from '../../src/storage/database.js';
import { CommitOutcomeUnknownError } from '../../src/storage/open-transaction.js';
import { errorCodeOf } from '../../src/storage/sqlstate.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const INSERT = { name: 'test-insert', text: 'INSERT INTO mark (number) VALUES ($1::int)' };
const KILL = { name: 'test-kill', text: 'SELECT pg_terminate_backend(pg_backend_pid())' };
const ANSWER = { name: 'test-answer', text: 'SELECT $1::int AS number' };

describe('a transaction', () => {
  let own: TestDatabase;
  let dataSource: DataSource;
  let database: Database;

  beforeAll(async () => {
    own = await createTestDatabase();
    await own.query('CREATE TABLE mark (number int PRIMARY KEY)');
    dataSource = await new DataSource(storageOptions({ url: own.url })).initialize();
    database = new Database(dataSource);
  });

  afterAll(async () => {
    await dataSource?.destroy();
    await own?.drop();
  });

  async function isStored(number: number): Promise<boolean> {
    return (await own.query('SELECT FROM mark WHERE number = $1', [number])).length === 1;
  }

  it('sends its first statements with BEGIN and COMMIT with its last', async () => {
    const rows = await database.transaction(
      async (transaction) => {
        const answer = await transaction.query<{ number: number }>(ANSWER, [7]);
        const inserting = transaction.query(INSERT, [1]);
        transaction.commit();
        await inserting;
        return answer;
      },
      { first: 'with-begin' },
    );
    expect(rows).toEqual([{ number: 7 }]);
    expect(await isStored(1)).toBe(true);
  });

  it('is rolled back by a statement that fails before the COMMIT behind it, and tells that statement’s error', async () => {
    const failing = database.transaction(async (transaction) => {
      const answers = [2, 2, 3].map((number) => transaction.query(INSERT, [number]));
      transaction.commit();
      await Promise.all(answers);
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect([await isStored(2), await isStored(3)]).toEqual([false, false]);
  });

  it('is not committed when the connection ends before the COMMIT behind it', async () => {
    const failing = database.transaction(async (transaction) => {
      const answers = [transaction.query(INSERT, [4]), transaction.query(KILL, [])];
      transaction.commit();
      await Promise.all(answers);
    });
    // The server's last word may get lost, with what was sent behind still unread: then the outcome is not known.
    const error: unknown = await failing.catch((cause: unknown) => cause);
    expect(error instanceof CommitOutcomeUnknownError || errorCodeOf(error) === '57P01').toBe(true);
    expect(await isStored(4)).toBe(false);
  });

  it('is of unknown outcome to its caller when the work fails although it is committed', async () => {
    const failing = database.transaction(async (transaction) => {
      const inserting = transaction.query(INSERT, [5]);
      transaction.commit();
      await inserting;
      throw new Error('what was written cannot be told');
    });
    await expect(failing).rejects.toThrow(CommitOutcomeUnknownError);
    expect(await isStored(5)).toBe(true);
  });

  it('takes no statement after COMMIT, which would run by itself', async () => {
    const failing = database.transaction(async (transaction) => {
      transaction.commit();
      await transaction.query(INSERT, [6]);
    });
    await expect(failing).rejects.toThrow(CommitOutcomeUnknownError);
    expect(await isStored(6)).toBe(false);
  });

  it('takes no statement after one that failed, and fails even if its work goes on', async () => {
    const failing = database.transaction(async (transaction) => {
      await transaction.query(INSERT, [1]).catch(() => undefined);
      await transaction.query(INSERT, [8]).catch(() => undefined);
    });
    await expect(failing).rejects.toThrow();
    expect(await isStored(8)).toBe(false);
  });
});
