import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** A database of one test file. */
export interface TestDatabase {
  readonly url: string;
  /** Runs SQL in it, as somebody with psql would. */
  query<Row extends object = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Throws everybody out and deletes it. */
  drop(): Promise<void>;
}

/** The server that `scripts/test.mjs` has brought up; a test that needs it and runs without it fails. */
export function testServerUrl(): string {
  const url = process.env['TEST_DATABASE_URL'];
  if (url === undefined)
    throw new Error('TEST_DATABASE_URL is not set: run the tests by `npm test` or `npm run test:only`.');
  return url;
}

/** Makes a fresh database with the present schema, by copying the migrated template. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = new URL(testServerUrl());
  const template = server.pathname.slice(1);
  const name = `test_${randomBytes(6).toString('hex')}`;
  await runOnServer(server, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const client = new Client({ connectionString: url.href });
  client.on('error', () => undefined);
  await client.connect();
  return {
    url: url.href,
    query: async <Row extends object>(sql: string, values: unknown[] = []) =>
      (await client.query(sql, values)).rows as Row[],
    drop: async () => {
      await client.end();
      await runOnServer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/** Statements on the server itself go through its maintenance database, so that the template has no visitors. */
async function runOnServer(server: URL, sql: string): Promise<void> {
  const url = new URL(server);
  url.pathname = '/postgres';
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
