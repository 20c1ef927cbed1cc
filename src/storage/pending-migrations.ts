import { MigrationExecutor, type DataSource, type QueryRunner } from 'typeorm';

/** A migration that has not been run, and what it would do. */
export interface PendingMigration {
  readonly name: string;
  /** Its statements in order; each migration is a transaction. */
  readonly statements: readonly string[];
}

/** Tells what {@link migrate} would do, and does nothing. */
export async function pendingMigrations(dataSource: DataSource): Promise<PendingMigration[]> {
  const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
  const told: PendingMigration[] = [];
  for (const { name, instance } of pending) {
    const statements: string[] = [];
    // Our migrations ask nothing of the database: they are statements, one after the other.
    const recorder = { query: async (sql: string): Promise<void> => void statements.push(sql.trim()) };
    await instance!.up(recorder as unknown as QueryRunner);
    told.push({ name, statements });
  }
  return told;
}
