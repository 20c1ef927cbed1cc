import type { Environment } from '../config/environment.js';
import { pendingMigrations } from '../storage/pending-migrations.js';
import { withDatabase, withUnmigratedDatabase } from './command-database.js';

/** What the command line says. */
export interface MigrateCommandOptions {
  /** Prints the SQL, and runs none of it. */
  readonly dryRun?: boolean;
}

/** `scrollback migrate`: brings the schema up to date. Every other command does so as well. */
export async function migrateCommand(
  { dryRun = false }: MigrateCommandOptions,
  environment: Environment,
): Promise<void> {
  if (!dryRun) {
    await withDatabase(environment, async () => undefined);
    process.stdout.write('The schema is up to date.\n');
    return;
  }
  const pending = await withUnmigratedDatabase(environment, pendingMigrations);
  if (pending.length === 0) process.stdout.write('-- The schema is up to date.\n');
  else process.stdout.write('-- To be read: `scrollback migrate` runs this, and keeps account of what was run.\n\n');
  for (const { name, statements } of pending) {
    process.stdout.write(`-- ${name}\nBEGIN;\n`);
    for (const sql of statements) process.stdout.write(sql.endsWith(';') ? `${sql}\n` : `${sql};\n`);
    process.stdout.write('COMMIT;\n\n');
  }
}
