import type { Environment } from '../config/environment.js';
import { withDatabase } from './command-database.js';

/** `scrollback migrate`: brings the schema up to date. Every other command does so as well. */
export async function migrateCommand(environment: Environment): Promise<void> {
  await withDatabase(environment, async () => undefined);
  process.stdout.write('The schema is up to date.\n');
}
