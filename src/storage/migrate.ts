import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { closeConnections, cutConnections } from './close-connections.js';
import { migrationSession } from './data-source-options.js';
import { MigrationBlockedError } from './migration-blocked-error.js';
import { isDeadlock, isLockTimeout } from './sqlstate.js';

/** Key of the advisory lock that lets one instance migrate at a time: "scrollback" in ASCII, cut to 63 bits. */
const MIGRATION_LOCK = '8314892176759549291';

/** How often an instance asks whether the other one's migration has ended. */
const TURN_POLL_MS = 250;

/**
 * Longest wait of a migration for a table's lock. Whoever comes to the table after it waits behind it: too high and
 * writers of running instances are held up for as long; too low and it never gets a turn on a busy table.
 */
const LOCK_TIMEOUT_MS = 1000;

/** Pause after a lock was not to be had, so that those who waited behind the migration get on; up to twice as long. */
const PAUSE_MS = 1000;

/** A migration that gets no lock for this long ends the start: shorter than the three minutes that Kubernetes gives. */
const PATIENCE_MS = 150_000;

/** How long a migration waits, and for whom; tests are less patient. */
export interface MigrationPatience {
  readonly lockTimeoutMs?: number;
  readonly pauseMs?: number;
  readonly patienceMs?: number;
  /** Breaks a migration off: what is under way is rolled back. */
  readonly signal?: AbortSignal | undefined;
}

/** A session that holds locks on our tables. */
interface LockHolder {
  readonly pid: number;
  readonly application: string;
  readonly state: string;
  /** `null`: not shown to this role, whose session is another's. */
  readonly seconds: number | null;
}

/**
 * Brings the schema up to date, one instance at a time: the others wait and then find nothing to do. Works on a
 * connection of its own, without the pool's limits on the time of a statement.
 *
 * Beside running instances: a table's lock is waited for in short turns, since everybody who comes to the table later
 * waits as well. What a migration must leave alone so that the version before can go on is in `docs/operations.md`.
 *
 * @returns the names of the migrations that were run.
 * @throws MigrationBlockedError when a lock was not to be had; the schema is then as the migrations before have left it.
 */
export async function migrate(dataSource: DataSource, patience: MigrationPatience = {}): Promise<string[]> {
  const own = new DataSource(migrationSession(dataSource.options));
  const end = (): void => cutConnections(own);
  patience.signal?.addEventListener('abort', end);
  try {
    await own.initialize();
    patience.signal?.throwIfAborted();
    // The pool has this one connection: its settings and its advisory lock end with it.
    const session = own.createQueryRunner();
    const lockTimeoutMs = patience.lockTimeoutMs ?? LOCK_TIMEOUT_MS;
    await session.query('SET statement_timeout = 0');
    await session.query('SET idle_in_transaction_session_timeout = 0');
    await session.query(`SELECT set_config('lock_timeout', $1, false)`, [String(lockTimeoutMs)]);
    const logger = new Logger('Storage');
    await takeTurn(session, logger);
    return await runAll(own, { session, logger }, patience);
  } finally {
    patience.signal?.removeEventListener('abort', end);
    await closeConnections(own);
  }
}

/** Waits for this instance's turn without a statement that lasts: one would keep a snapshot, and vacuum from its work. */
async function takeTurn(session: QueryRunner, logger: Logger): Promise<void> {
  for (let isSaid = false; ; isSaid = true) {
    const [row] = (await session.query('SELECT pg_try_advisory_lock($1) AS mine', [MIGRATION_LOCK])) as {
      mine: boolean;
    }[];
    if (row!.mine) return;
    if (!isSaid) logger.log('Waiting for the migration of another instance.');
    await sleep(TURN_POLL_MS);
  }
}

async function runAll(
  own: DataSource,
  { session, logger }: { readonly session: QueryRunner; readonly logger: Logger },
  { pauseMs = PAUSE_MS, patienceMs = PATIENCE_MS }: MigrationPatience,
): Promise<string[]> {
  const startMs = performance.now();
  const before = new Set(await executedNames(own, session));
  for (;;) {
    try {
      await executor(own, session).executePendingMigrations();
      return (await executedNames(own, session)).filter((name) => !before.has(name));
    } catch (error) {
      if (!isLockTimeout(error) && !isDeadlock(error)) throw error;
      const holder = await oldestLockHolder(session);
      const said = holder === undefined ? '' : ` ${describe(holder)}`;
      const waitedMs = performance.now() - startMs;
      if (waitedMs >= patienceMs) throw new MigrationBlockedError(waitedMs, said, { cause: error });
      logger.warn(`A migration waits for a lock, and tries again so that nobody waits behind it.${said}`);
      await sleep(pauseMs * (1 + Math.random()));
    }
  }
}

/** A migration is a transaction: one that fails leaves nothing, and those before it stay done. */
function executor(own: DataSource, session: QueryRunner): MigrationExecutor {
  const made = new MigrationExecutor(own, session);
  made.transaction = 'each';
  return made;
}

/** Oldest first. */
async function executedNames(own: DataSource, session: QueryRunner): Promise<string[]> {
  const executed = await executor(own, session).getExecutedMigrations();
  return executed.map(({ name }) => name).toReversed();
}

async function oldestLockHolder(session: QueryRunner): Promise<LockHolder | undefined> {
  const [holder] = (await session.query(LOCK_HOLDERS)) as LockHolder[];
  return holder;
}

function describe({ pid, application, state, seconds }: LockHolder): string {
  const time = seconds === null ? 'for a time that this role is not shown' : `for ${seconds} s`;
  return `Session ${pid} (${application === '' ? 'without a name' : application}, ${state}) has held locks ${time}.`;
}

/** Sessions with locks on tables of our schema, the one whose transaction is oldest first. */
const LOCK_HOLDERS = `
  SELECT a.pid, coalesce(a.application_name, '') AS application, coalesce(a.state, 'state not shown') AS state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::int AS seconds
  FROM pg_locks l
  JOIN pg_class c ON c.oid = l.relation
  JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'relation' AND l.granted AND a.pid <> pg_backend_pid() AND a.datname = current_database()
    AND c.relnamespace = quote_ident(current_schema())::regnamespace
  ORDER BY a.xact_start NULLS LAST LIMIT 1`;
