import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { createLogger } from '../common/log.js';
import type { Environment } from '../config/environment.js';
import { storageOptions } from '../storage/data-source-options.js';
import { DatabaseServer } from '../storage/database-server.js';
import { Database } from '../storage/database.js';
import { migrate } from '../storage/migrate.js';

/**
 * Gives a command the migrated database that the environment names. An embedded one that a running instance owns is
 * joined, not started a second time.
 */
export async function withDatabase<T>(environment: Environment, work: (database: Database) => Promise<T>): Promise<T> {
  return withUnmigratedDatabase(environment, async (dataSource) => {
    await migrate(dataSource);
    return work(new Database(dataSource));
  });
}

/** The same, with the schema as it is. */
export async function withUnmigratedDatabase<T>(
  environment: Environment,
  work: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  // A command speaks for itself: of the parts it uses only trouble is shown.
  Logger.overrideLogger(createLogger('warn'));
  const server = await DatabaseServer.startOrJoin({
    databaseUrl: environment.DATABASE_URL,
    dataDir: environment.SCROLLBACK_DATA_DIR,
  });
  try {
    const dataSource = await new DataSource(storageOptions(server.address)).initialize();
    try {
      return await work(dataSource);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await server.stop();
  }
}
