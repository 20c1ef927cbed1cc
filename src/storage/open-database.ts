import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { untilAborted } from '../common/until-aborted.js';
import { closeConnections } from './close-connections.js';
import { connectFailure } from './connect-failure.js';
import { storageOptions } from './data-source-options.js';
import { DatabaseServer } from './database-server.js';
import { migrate } from './migrate.js';
import { isConnectionError } from './sqlstate.js';
import type { StartWatch } from './start-watch.js';
import type { StorageOptions } from './storage-options.js';

/**
 * A database that is away at a start is tried for so long, again and again. Too low and instances that start beside their database fail; too high
 * and a wrong address is told late.
 */
const PATIENCE_MS = 30_000;

/** Between two attempts. */
const RETRY_MS = 1000;

/** A database that answers, with the schema of this version. */
export interface OpenDatabase {
  readonly server: DatabaseServer;
  readonly dataSource: DataSource;
}

/**
 * Starts the server if it is embedded, connects and migrates. A database that is away is tried for 30 s, also when it goes away in between.
 *
 * @throws what the last attempt has met, or the reason of the watch's signal; nothing is left running or open.
 */
export async function openDatabase(options: StorageOptions, watch: StartWatch = {}): Promise<OpenDatabase> {
  watch.onStep?.('database');
  const server = await DatabaseServer.start(options, watch.signal);
  try {
    return { server, dataSource: await connectInsisting(server, options, watch) };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Closes the connections, and stops the server if it is embedded. */
export async function closeDatabase({ server, dataSource }: OpenDatabase): Promise<void> {
  await closeConnections(dataSource);
  await server.stop();
}

async function connectInsisting(
  { address }: DatabaseServer,
  options: StorageOptions,
  watch: StartWatch,
): Promise<DataSource> {
  const logger = new Logger('Storage');
  let awaySinceMs = performance.now();
  for (let attempt = 1; ; attempt++) {
    const dataSource = new DataSource(storageOptions(address, options));
    try {
      await untilAborted(dataSource.initialize(), watch.signal);
      awaySinceMs = Infinity;
      watch.onStep?.('migration');
      const names = await untilAborted(migrate(dataSource, { signal: watch.signal }), watch.signal);
      if (names.length > 0) logger.log(`Migrated: ${names.join(', ')}.`);
      return dataSource;
    } catch (error) {
      await closeConnections(dataSource);
      watch.signal?.throwIfAborted();
      awaySinceMs = Math.min(awaySinceMs, performance.now());
      if (!isConnectionError(error) || performance.now() - awaySinceMs >= PATIENCE_MS) throw error;
      logger.warn(connectFailure(error, attempt));
    }
    watch.onStep?.('database');
    await untilAborted(delay(RETRY_MS), watch.signal);
  }
}
