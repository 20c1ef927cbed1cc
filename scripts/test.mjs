// Runs the test suite on the compiled code: brings up a PostgreSQL of its own with a migrated template database, runs
// jest with the arguments given, and stops it again. Every test file copies the template and so has a fresh database.
// With TEST_SERVER_URL, that of a superuser, it is another server that they run on: of an older version, say.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { storageOptions } from '../dist/src/storage/data-source-options.js';
import { EmbeddedPostgres } from '../dist/src/storage/embedded/embedded-postgres.js';
import { migrate } from '../dist/src/storage/migrate.js';
import { compiledTestNames } from './compiled-test-names.mjs';

const TEMPLATE = 'scrollback_template';

const server =
  process.env.TEST_SERVER_URL === undefined ? await startServer() : await joinServer(process.env.TEST_SERVER_URL);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void server.end().finally(() => process.exit(1)));
}
let exitCode = 1;
try {
  const template = await new DataSource(storageOptions({ url: server.url })).initialize();
  await migrate(template);
  await template.destroy();
  exitCode = await runJest(server.url);
} finally {
  await server.end();
}
process.exit(exitCode);

async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), 'scrollback-test-'));
  // Durability is tested by tests that start a server of their own; the others may be fast.
  const embedded = await EmbeddedPostgres.start({
    dataDir: join(folder, 'database'),
    settings: { fsync: 'off', max_connections: '200' },
  });
  const { host, user, password, database } = embedded.connection;
  return {
    url: `postgresql://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`,
    end: async () => {
      await embedded.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function joinServer(address) {
  const url = new URL(address);
  const run = async (sql) => {
    const client = new Client({ connectionString: address });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await run(`CREATE DATABASE ${TEMPLATE} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`);
  url.pathname = `/${TEMPLATE}`;
  return { url: url.href, end: () => run(`DROP DATABASE ${TEMPLATE} WITH (FORCE)`) };
}

function runJest(url) {
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      '--expose-gc',
      jest,
      ...compiledTestNames(process.argv.slice(2)),
    ],
    { stdio: 'inherit', env: { ...process.env, TEST_DATABASE_URL: url } },
  );
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}
