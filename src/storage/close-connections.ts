import type { Client, Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { settlesWithin } from './embedded/wait-until.js';

/** A server says goodbye in milliseconds, and statements have ended before: who takes longer does not answer. */
const GOODBYE_MS = 1000;

/**
 * Closes the connections of a DataSource: with a goodbye, and without one where none is taken in time, as of a database that hangs or of one that
 * works on a statement that nobody waits for any more. Never rejects.
 */
export async function closeConnections(dataSource: DataSource): Promise<void> {
  const pool = poolOf(dataSource);
  if (pool === undefined) return;
  const closed = dataSource.isInitialized ? dataSource.destroy() : pool.ended ? Promise.resolve() : pool.end();
  if (await settlesWithin(closed, GOODBYE_MS)) return;
  cutConnections(dataSource);
  await settlesWithin(closed, GOODBYE_MS);
}

/** Breaks all connections, also those that are being opened: what waits for an answer fails at once. */
export function cutConnections(dataSource: DataSource): void {
  // The pool tells of connections when they are open, and those that hang may not come to be.
  const { _clients: clients } = (poolOf(dataSource) ?? { _clients: [] }) as unknown as {
    readonly _clients: readonly Client[];
  };
  for (const client of clients) client.connection.stream.destroy();
}

function poolOf(dataSource: DataSource): Pool | undefined {
  return (dataSource.driver as unknown as { readonly master: Pool | undefined }).master;
}
