import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ProcessLogger } from '../../src/common/process-logger.js';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { Database } from '../../src/storage/database.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const SLOW_MS = 500;

/** A statement whose parameters say how long it takes, and something that nobody is to see. */
const SLEEP = { name: 'test-sleep', text: 'SELECT pg_sleep($1::float8), $2::text AS word' };
const QUICK = { name: 'test-quick', text: 'SELECT 1 AS one' };
const FAIL = {
  name: 'test-fail',
  text: 'SELECT word::int FROM (SELECT $2::text AS word FROM pg_sleep($1::float8) OFFSET 0) x',
};
const COPY = {
  name: 'test-copy',
  text: 'COPY (SELECT pg_sleep(0.65), n FROM generate_series(1, 1) n) TO STDOUT (FORMAT binary)',
};
const WORD = 'a-parameter';

let own: TestDatabase;
let dataSource: DataSource;
let written = '';

function lines(): Record<string, unknown>[] {
  return written
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

beforeAll(async () => {
  own = await createTestDatabase();
  dataSource = await new DataSource(storageOptions({ url: own.url }, { poolMax: 2 })).initialize();
  const stream = { write: (text: string) => (written += text) };
  Logger.overrideLogger(new ProcessLogger('trace', stream, stream));
});
afterAll(async () => {
  await dataSource?.destroy();
  await own?.drop();
});
beforeEach(() => {
  written = '';
});

describe('a slow statement', () => {
  const database = (): Database => new Database(dataSource, { slowSqlMs: SLOW_MS });

  it('is named in the log, with its time and rows, and without its parameters', async () => {
    await database().query('read', SLEEP, [0.65, WORD]);
    expect(lines()).toEqual([
      {
        time: expect.any(String),
        level: 'warn',
        context: 'Sql',
        event: 'slow_sql',
        message: expect.stringMatching(/^The statement test-sleep took \d+ ms\.$/),
        statement: 'test-sleep',
        path: 'read',
        ms: expect.any(Number),
        rows: 1,
        poolWaiting: 0,
      },
    ]);
    expect(Number(lines()[0]!['ms'])).toBeGreaterThanOrEqual(SLOW_MS);
    expect(written).not.toContain(WORD);
  });

  it('is named with the code of its failure', async () => {
    await expect(database().query('coherence', FAIL, [0.65, WORD])).rejects.toThrow(/a-parameter/);
    expect(lines()).toMatchObject([{ statement: 'test-fail', path: 'coherence', errorCode: '22P02' }]);
    expect(written).not.toContain(WORD);
  });

  it('is told from those that are sent along with it, and tells for whom the batch is', async () => {
    const cause = () => ({ requestIds: ['r-1', 'r-2'], operations: 3, chats: 2 });
    await database().transaction(
      async (transaction) => {
        const answers = [
          transaction.query(QUICK, []),
          transaction.query(SLEEP, [0.65, WORD]),
          transaction.query(QUICK, []),
        ];
        transaction.commit();
        await Promise.all(answers);
      },
      { first: 'with-begin', cause },
    );
    // A busy machine may be slow to connect; that is told as well.
    expect(lines().filter(({ statement }) => statement !== 'connect')).toMatchObject([
      { statement: 'test-sleep', path: 'write', rows: 1, requestIds: ['r-1', 'r-2'], operations: 3, chats: 2 },
    ]);
  });

  it('is a COMMIT as well, a COPY, and a wait for a connection', async () => {
    await own.query('CREATE TABLE IF NOT EXISTS late (number int)');
    await own.query(`CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(0.65); RETURN NULL; END $$`);
    await own.query(`CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION dawdle()`);
    const insert = { name: 'test-insert', text: 'INSERT INTO late VALUES ($1::int)' };
    await database().transaction((transaction) => transaction.query(insert, [1]));
    await database().snapshot((transaction) => transaction.copyOut(COPY, { onData: () => undefined }));
    expect(lines().map((line) => line['statement'])).toEqual(['commit', 'test-copy']);
    written = '';
    const busy = [1, 2].map(() => database().query('read', SLEEP, [0.8, WORD]));
    await database().transaction((transaction) => transaction.query(QUICK, []));
    await Promise.all(busy);
    expect(lines().map((line) => line['statement'])).toContain('connect');
  });

  it('is not named below the limit, and none is at 0', async () => {
    await database().query('read', QUICK, []);
    await new Database(dataSource, { slowSqlMs: 0 }).query('read', SLEEP, [0.65, WORD]);
    await new Database(dataSource).query('read', SLEEP, [0.65, WORD]);
    expect(written).toBe('');
  });
});
