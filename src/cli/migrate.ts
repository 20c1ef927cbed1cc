import { DataSource } from 'typeorm';
import type { Environment } from '../config/environment.js';
import { storageOptions } from '../storage/data-source-options.js';
import { DatabaseServer } from '../storage/database-server.js';
import { migrate } from '../storage/migrate.js';

/** `scrollback migrate`: brings the schema up to date and says what was done. */
export async function migrateCommand(environment: Environment): Promise<void> {
  const server = await DatabaseServer.start({
    databaseUrl: environment.DATABASE_URL,
    dataDir: environment.SCROLLBACK_DATA_DIR,
  });
  try {
    const dataSource = await new DataSource(storageOptions(server.address)).initialize();
    try {
      const names = await migrate(dataSource);
      process.stdout.write(names.length === 0 ? 'The schema is up to date.\n' : `Migrated: ${names.join(', ')}\n`);
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await server.stop();
  }
}
