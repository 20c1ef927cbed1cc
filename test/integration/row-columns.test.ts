import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DataSource } from 'typeorm';
import { uuidV7 } from '../../src/common/uuid.js';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { Database, type Statement } from '../../src/storage/database.js';
import { bigints, booleans, queryRows, texts, uuids, type Column } from '../../src/storage/write/row-columns.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const same = <Value>(value: Value): Value => value;

/** Texts that PostgreSQL can store. */
const text = fc
  .string({
    unit: fc.oneof(
      { weight: 5, arbitrary: fc.string({ unit: 'binary' }) },
      fc.constantFrom('"', '\\', '{}', 'NULL', 'ő', '😋'),
    ),
  })
  .filter((value) => value.isWellFormed() && !value.includes('\0'));

const number = fc.maxSafeInteger();

describe('a column of rows', () => {
  let own: TestDatabase;
  let dataSource: DataSource;
  let database: Database;

  beforeAll(async () => {
    own = await createTestDatabase();
    dataSource = await new DataSource(storageOptions({ url: own.url })).initialize();
    database = new Database(dataSource);
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await own?.drop();
  });

  /** What the server has understood, element by element. */
  async function tell<Value>(type: string, values: readonly Value[], column: Column<Value>): Promise<unknown[]> {
    const statement: Statement = {
      name: `tell-${type}`,
      text: `SELECT value::text AS value FROM unnest($1::${type}[]) WITH ORDINALITY AS x (value, place) ORDER BY place`,
    };
    const rows = await database.transaction((transaction) =>
      queryRows<Value, { value: string | null }>(transaction, statement, values, [column]),
    );
    return rows.map(({ value }) => value);
  }

  it('comes to the server as it is, whatever its values', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text), { maxLength: 50 }), async (values) => {
        expect(await tell('text', values, texts(same))).toEqual(values);
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(number), { maxLength: 50 }), async (values) => {
        const told = values.map((value) => (value === null ? null : String(value + 0)));
        expect(await tell('bigint', values, bigints(same))).toEqual(told);
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 50 }), async (values) => {
        expect(await tell('boolean', values, booleans(same))).toEqual(values.map(String));
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uuid(), { maxLength: 50 }), async (values) => {
        const written = values.map((uuid, at) => (at % 2 === 0 ? uuid : uuid.toUpperCase()));
        expect(await tell('uuid', written, uuids(same))).toEqual(values);
      }),
    );
  });

  it('takes numbers to the ends of what JavaScript counts exactly', async () => {
    const values = [
      0,
      -1,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 32,
      -(2 ** 32) - 1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ];
    expect(await tell('bigint', values, bigints(same))).toEqual(values.map(String));
  });

  it('refuses an id that is no UUID before anything is asked', () => {
    for (const wrong of ['', 'chat', `${uuidV7()}0`, uuidV7().replace(/.$/, 'x'), uuidV7().replace('-', '')]) {
      expect(() => uuids<string>(same)([wrong])).toThrow(TypeError);
    }
  });
});
