import { Client, DatabaseError } from 'pg';

import { EmbeddedDatabaseError } from './embedded-database-error.js';

/** How to connect to the embedded database; node-pg takes the folder of the socket as `host`. */
export interface EmbeddedConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** Exists in every cluster from the start. */
const MAINTENANCE_DATABASE = 'postgres';
const CONNECT_TIMEOUT_MS = 2_000;

const INVALID_CATALOG_NAME = '3D000';
const DUPLICATE_DATABASE = '42P04';
const INVALID_PASSWORD = '28P01';
const TOO_MANY_CONNECTIONS = '53300';

/**
 * Tries whether the database answers, creating it in a new cluster. Takes 2 s at most unless it creates.
 *
 * @returns `undefined` when it answers, else why it does not yet.
 * @throws {@link EmbeddedDatabaseError} `embedded_database_password_lost` when the password is not the cluster's.
 */
export async function tryDatabase(connection: EmbeddedConnection): Promise<string | undefined> {
  try {
    await query(connection, 'SELECT 1');
    return undefined;
  } catch (error) {
    const code = error instanceof DatabaseError ? error.code : undefined;
    // Others have taken every connection: it serves.
    if (code === TOO_MANY_CONNECTIONS) return undefined;
    if (code === INVALID_CATALOG_NAME) return createDatabase(connection);
    if (code === INVALID_PASSWORD) throw wrongPassword(connection, error);
    return error instanceof Error ? error.message : String(error);
  }
}

async function createDatabase(connection: EmbeddedConnection): Promise<string | undefined> {
  try {
    await query({ ...connection, database: MAINTENANCE_DATABASE }, `CREATE DATABASE "${connection.database}"`);
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === DUPLICATE_DATABASE) return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}

async function query(connection: EmbeddedConnection, sql: string): Promise<void> {
  const client = new Client({ ...connection, ssl: false, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A connection that breaks rejects the query as well; unheard, the event would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function wrongPassword(connection: EmbeddedConnection, cause: unknown): EmbeddedDatabaseError {
  return new EmbeddedDatabaseError(
    'embedded_database_password_lost',
    `The database at ${connection.host} does not accept the password in its data folder. Put the password file back ` +
      'that belongs to it, choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL.',
    { cause },
  );
}
