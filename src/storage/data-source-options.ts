import type { ClientBase } from 'pg';
import type { DataSourceOptions, Logger } from 'typeorm';
import { entities } from './entities/entities.js';
import { migrations } from './migrations/migrations.js';

/** Where PostgreSQL is: a URL, or the parts of the embedded server's private socket. */
export type DatabaseAddress =
  | { readonly url: string | undefined }
  | {
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly password: string;
      readonly database: string;
    };

/** Pool and safety limits of one instance's connections. */
export interface StoragePoolLimits {
  /**
   * Connections of the pool. Too low and fills wait behind writes; too high and instances times pool exceed the
   * server's `max_connections`. Default 10.
   */
  readonly poolMax?: number;
}

/** Connections of one instance unless told otherwise. */
export const DEFAULT_POOL_MAX = 10;

/** Connection attempts give up after this long, so that a dead host fails a start instead of hanging it. */
export const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Longest statement on the pool. Too low and a first fill of the largest chats fails; too high and a hanging
 * database holds every connection.
 */
const STATEMENT_TIMEOUT_MS = 60_000;

/** A connection that is silent for this long is asked whether it still is one. */
const KEEP_ALIVE_DELAY_MS = 10_000;

/**
 * Gives a connection of a pool a listener for its errors that stays. The pool takes its own away when it hands a connection on, and who waits for
 * it comes a turn of promises later: where the last answer and a server's farewell come in one piece, nobody would listen, and Node ends
 * a process for an error that nobody listens for. Whoever uses the connection is told by their statement.
 */
function listenForErrors(client: ClientBase): void {
  client.on('error', () => undefined);
}

/**
 * The options that the application, the tests and the TypeORM command line share.
 *
 * @remarks `synchronize` is off always: the schema changes by migrations alone. `installExtensions` is off because it
 * asks for privileges that a hosted database does not give, and nothing here needs an extension.
 */
export function storageOptions(address: DatabaseAddress, limits: StoragePoolLimits = {}): DataSourceOptions {
  const target =
    'url' in address
      ? { url: address.url }
      : {
          host: address.host,
          port: address.port,
          username: address.user,
          password: address.password,
          database: address.database,
        };
  return {
    type: 'postgres',
    ...target,
    entities,
    migrations,
    migrationsTableName: 'schema_migration',
    synchronize: false,
    migrationsRun: false,
    installExtensions: false,
    applicationName: 'scrollback',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    poolSize: limits.poolMax ?? DEFAULT_POOL_MAX,
    logging: false,
    // `pipeline`: statements that do not need each other's results go to the server together, in one round trip.
    extra: {
      pipeline: true,
      onConnect: listenForErrors,
      // The server's own limits are of no use when the server is gone without a word.
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + 5_000,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    },
  };
}

const nothing = (): void => undefined;

/** TypeORM writes what a migration does to the console, past our log; whoever migrates says it. */
const SILENT: Logger = {
  logQuery: nothing,
  logQueryError: nothing,
  logQuerySlow: nothing,
  logSchemaBuild: nothing,
  logMigration: nothing,
  log: nothing,
};

/** The same database for migrations: one connection, that nobody counts as one of the pool's, and without its time limits. */
export function migrationSession(options: DataSourceOptions): DataSourceOptions {
  if (options.type !== 'postgres') throw new TypeError('Migrations are for PostgreSQL.');
  return {
    ...options,
    entities: [],
    applicationName: 'scrollback migration',
    poolSize: 1,
    logger: SILENT,
    extra: { onConnect: listenForErrors, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS },
  };
}
