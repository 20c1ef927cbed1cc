import type { DataSource } from 'typeorm';

/** Key of the advisory lock that lets one instance migrate at a time: "scrollback" in ASCII, cut to 63 bits. */
const MIGRATION_LOCK = '8314892176759549291';

/**
 * Brings the schema up to date, one instance at a time: the others wait and then find nothing to do.
 *
 * @returns the names of the migrations that were run.
 */
export async function migrate(dataSource: DataSource): Promise<string[]> {
  const holder = dataSource.createQueryRunner();
  await holder.connect();
  try {
    // Waiting for another instance's migration may take longer than a statement of ours ever should.
    await holder.query('SET statement_timeout = 0');
    await holder.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const done = await dataSource.runMigrations({ transaction: 'each' });
    return done.map((migration) => migration.name);
  } finally {
    await holder.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await holder.query('RESET statement_timeout').catch(() => undefined);
    await holder.release();
  }
}
