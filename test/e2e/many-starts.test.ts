import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { InstanceProcess } from '../support/instance-process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const INSTANCES = 4;

describe('instances that start at once', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const startAll = async (): Promise<void> => {
    const environment = { DATABASE_URL: database.url, PORT: '0', CACHE_MAX_BYTES: '16MiB', DATABASE_POOL_MAX: '2' };
    const instances = await Promise.all(Array.from({ length: INSTANCES }, () => InstanceProcess.start(environment)));
    const { id } = await instances[0]!.api.createChat({ participants: [{ userId: 'ann' }] });
    await instances[0]!.api.send(id, { senderId: 'ann', text: 'hello' });
    for (const { api } of instances) expect((await api.page(id)).items).toHaveLength(1);
    await Promise.all(instances.map((instance) => instance.stop()));
    expect(instances.map(({ ended }) => ended)).toEqual(Array<number>(INSTANCES).fill(0));
  };
  const migrated = async (): Promise<string[]> =>
    (await database.query<{ name: string }>('SELECT name FROM schema_migration ORDER BY id')).map(({ name }) => name);

  it('run each migration once, on a database without any', async () => {
    const all = await migrated();
    await database.query('DROP SCHEMA public CASCADE');
    await database.query('CREATE SCHEMA public');
    await startAll();
    expect(await migrated()).toEqual(all);
    expect(all.length).toBeGreaterThan(1);
  });

  it('run what is missing once, on a database of the version before', async () => {
    const all = await migrated();
    const dataSource = await new DataSource(storageOptions({ url: database.url })).initialize();
    await dataSource.undoLastMigration();
    await dataSource.destroy();
    expect(await migrated()).toEqual(all.slice(0, -1));
    await startAll();
    expect(await migrated()).toEqual(all);
  });
});
