// Runs the test suite on the compiled code: brings up a PostgreSQL of its own with a migrated template database, runs
// jest with the arguments given, and stops it again. Every test file copies the template and so has a fresh database.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { storageOptions } from '../dist/src/storage/data-source-options.js';
import { EmbeddedPostgres } from '../dist/src/storage/embedded/embedded-postgres.js';
import { migrate } from '../dist/src/storage/migrate.js';

const folder = await mkdtemp(join(tmpdir(), 'scrollback-test-'));
// Durability is tested by tests that start a server of their own; the others may be fast.
const server = await EmbeddedPostgres.start({
  dataDir: join(folder, 'database'),
  settings: { fsync: 'off', max_connections: '200' },
});
const cleanUp = async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}
let exitCode = 1;
try {
  const { host, user, password, database } = server.connection;
  const url = `postgresql://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
  const template = await new DataSource(storageOptions({ url })).initialize();
  await migrate(template);
  await template.destroy();
  exitCode = await runJest(url);
} finally {
  await cleanUp();
}
process.exit(exitCode);

function runJest(url) {
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      '--expose-gc',
      jest,
      ...process.argv.slice(2),
    ],
    { stdio: 'inherit', env: { ...process.env, TEST_DATABASE_URL: url } },
  );
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}
