// Writes schema.sql anew, after a migration has been added: `npm run schema`.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { storageOptions } from '../dist/src/storage/data-source-options.js';
import { EmbeddedPostgres } from '../dist/src/storage/embedded/embedded-postgres.js';
import { migrate } from '../dist/src/storage/migrate.js';
import { dumpSchema } from './schema-dump.mjs';

const folder = await mkdtemp(join(tmpdir(), 'scrollback-schema-'));
const server = await EmbeddedPostgres.start({ dataDir: join(folder, 'database'), settings: { fsync: 'off' } });
try {
  const dataSource = await new DataSource(storageOptions(server.connection)).initialize();
  await migrate(dataSource);
  await writeFile('schema.sql', await dumpSchema((sql, values) => dataSource.query(sql, values)));
  await dataSource.destroy();
  process.stdout.write('schema.sql is written.\n');
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);
