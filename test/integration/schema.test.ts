import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { migrate } from '../../src/storage/migrate.js';
import { migrations } from '../../src/storage/migrations/migrations.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

interface SchemaDump {
  dumpSchema(query: (sql: string, values?: unknown[]) => Promise<unknown[]>): Promise<string>;
}

describe('the schema', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await new DataSource(storageOptions({ url: database.url })).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('is what schema.sql says', async () => {
    const { dumpSchema } = (await import('../../../scripts/schema-dump.mjs' as string)) as SchemaDump;
    const dump = await dumpSchema((sql, values) => database.query(sql, values));
    // If this fails after a new migration: npm run schema.
    expect(dump).toBe(readFileSync('schema.sql', 'utf8'));
  });

  it('has the columns that the entities name, and no others', async () => {
    for (const entity of dataSource.entityMetadatas) {
      const columns = await database.query<{ name: string; nullable: boolean }>(
        `SELECT column_name AS name, is_nullable = 'YES' AS nullable FROM information_schema.columns
         WHERE table_name = $1 ORDER BY column_name`,
        [entity.tableName],
      );
      const mapped = entity.columns.map(({ databaseName, isNullable }) => ({
        name: databaseName,
        nullable: isNullable,
      }));
      expect([entity.tableName, columns]).toEqual([
        entity.tableName,
        mapped.sort((one, other) => (one.name < other.name ? -1 : 1)),
      ]);
    }
  });

  it('is made once when several instances start at the same time', async () => {
    const others = await Promise.all(
      [1, 2, 3].map(() => new DataSource(storageOptions({ url: database.url })).initialize()),
    );
    for (let left = dataSource.migrations.length; left > 0; left--) await dataSource.undoLastMigration();
    const functions = `SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`;
    expect(await database.query(functions)).toEqual([]);
    const done = await Promise.all(others.map((other) => migrate(other)));
    expect(done.flat()).toEqual(migrations.map((migration) => new migration().name));
    await Promise.all(others.map((other) => other.destroy()));
  });

  it('makes time-ordered version 7 UUIDs for rows that people insert', async () => {
    const [before] = await database.query<{ id: string }>('SELECT scrollback_uuid_v7() AS id');
    await database.query('SELECT pg_sleep(0.002)');
    const [after] = await database.query<{ id: string }>('SELECT scrollback_uuid_v7() AS id');
    expect(before!.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(before!.id < after!.id).toBe(true);
    const ageMs = Math.abs(Number.parseInt(before!.id.replace('-', '').slice(0, 12), 16) - Date.now());
    expect(ageMs).toBeLessThan(60_000);
  });
});
