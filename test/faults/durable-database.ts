import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';

/** A statement is tried again until the database has come back, for this long. */
const BACK_LIMIT_MS = 60_000;
const TRY_AGAIN_MS = 50;

/** What a server says of itself when it comes up after a crash. */
const RECOVERY = /database system was not properly shut down; automatic recovery in progress/g;

/**
 * A PostgreSQL that loses nothing it has confirmed (`fsync` and `synchronous_commit` are on), and is crashed by the test.
 *
 * @remarks It runs the binaries that come along. Its own supervision would start it again at once: it is told to stop in the
 * same turn in which it is crashed, so that the test decides how long it stays away.
 */
export class DurableDatabase {
  #crashes = 0;

  private constructor(
    private readonly dataDir: string,
    private server: EmbeddedPostgres,
  ) {}

  /** Creates one in a folder and starts it. @throws Error when it would not be durable. */
  static async start(dataDir: string): Promise<DurableDatabase> {
    const database = new DurableDatabase(dataDir, await EmbeddedPostgres.start({ dataDir }));
    const rows = await database.query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')`,
    );
    const off = rows.filter(({ setting }) => setting !== 'on').map(({ name }) => name);
    if (rows.length !== 3 || off.length > 0) throw new Error(`the database is not durable: ${off.join(', ')}`);
    return database;
  }

  /** For `DATABASE_URL`. */
  get url(): string {
    const { host, user, password, database } = this.server.connection;
    return `postgresql://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
  }

  /** Path of the socket that it listens on. */
  get socketPath(): string {
    const { host, port } = this.server.connection;
    return join(host, `.s.PGSQL.${port}`);
  }

  /**
   * Makes a role that may do everything, so that the server can tell whose statements it works at.
   *
   * @returns a URL for it, by a port of the loopback interface that leads to {@link socketPath}.
   */
  async createRole(name: string, port: number): Promise<string> {
    const { password, database } = this.server.connection;
    await this.query(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD '${password}'`);
    return `postgresql://${name}:${password}@127.0.0.1:${port}/${database}`;
  }

  /** Roles whose commits wait for a standby, one for each commit. */
  async rolesThatCommit(): Promise<string[]> {
    const rows = await this.query<{ usename: string }>(
      `SELECT usename FROM pg_stat_activity WHERE application_name = 'scrollback' AND wait_event = 'SyncRep'`,
    );
    return rows.map(({ usename }) => usename);
  }

  /** How often it was crashed so far. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Reads from the server's log how often it has recovered from a crash. */
  async countRecoveries(): Promise<number> {
    return [...(await readFile(join(this.dataDir, 'postgres.log'), 'utf8')).matchAll(RECOVERY)].length;
  }

  /** Stops the server as `pg_ctl stop -m immediate` does (SIGQUIT: nothing is written any more), and starts it again. */
  async stopImmediately(downMs: number): Promise<void> {
    this.#crashes++;
    process.kill(this.#requirePid(), 'SIGQUIT');
    await this.server.stop();
    await sleep(downMs);
    this.server = await EmbeddedPostgres.start({ dataDir: this.dataDir });
  }

  /** Kills one of the instance's server processes with SIGKILL: all others are thrown out and the server recovers by itself. */
  async killBackend(): Promise<void> {
    const [backend] = await this.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'scrollback' ORDER BY random() LIMIT 1`,
    );
    // No instance is connected just now: then it is a process that works for the whole server.
    const [other] = await this.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`,
    );
    this.#crashes++;
    const recoveries = await this.countRecoveries();
    process.kill((backend ?? other)!.pid, 'SIGKILL');
    const deadlineMs = performance.now() + BACK_LIMIT_MS;
    while ((await this.countRecoveries()) === recoveries) {
      if (performance.now() > deadlineMs) throw new Error('the database did not notice that a process was killed');
      await sleep(TRY_AGAIN_MS);
    }
    await this.query('SELECT 1');
  }

  /** Throws out every other connection. @returns how many. */
  async terminateBackends(): Promise<number> {
    const rows = await this.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    );
    return rows.length;
  }

  /** Changes settings of the running server, `undefined` for their defaults. */
  async configure(settings: Readonly<Record<string, string | undefined>>): Promise<void> {
    for (const [name, value] of Object.entries(settings)) {
      await this.query(value === undefined ? `ALTER SYSTEM RESET ${name}` : `ALTER SYSTEM SET ${name} = '${value}'`);
    }
    await this.query('SELECT pg_reload_conf()');
  }

  /** Statements of the instance that wait for a kind of event. */
  async countWaiting(eventType: 'Lock' | 'IPC', event?: string): Promise<number> {
    const rows = await this.query(
      `SELECT pid FROM pg_stat_activity
       WHERE application_name = 'scrollback' AND wait_event_type = $1 AND wait_event = coalesce($2, wait_event)`,
      [eventType, event],
    );
    return rows.length;
  }

  /** Commits of the instance that are at work. One that sleeps for `commit_delay` is not shown as waiting for anything. */
  async countCommitting(): Promise<number> {
    const rows = await this.query(
      `SELECT pid FROM pg_stat_activity
       WHERE application_name = 'scrollback' AND state = 'active' AND query = 'COMMIT'`,
    );
    return rows.length;
  }

  /** Keeps the head of a chat locked, as a person's open transaction does, until `hold` has ended or a crash lets it go. */
  async lockHead(chatId: string, hold: () => Promise<void>): Promise<void> {
    for (let isHeld = false; !isHeld; await sleep(TRY_AGAIN_MS)) {
      let client: Client | undefined;
      try {
        client = await this.#connect();
        await client.query('BEGIN');
        await client.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [chatId]);
        isHeld = true;
        await hold();
        await client.query('ROLLBACK');
      } catch (error) {
        // Another fault has thrown this connection out, and the lock is gone.
        if (!isGone(error)) throw error;
      } finally {
        await client?.end().catch(() => undefined);
      }
    }
  }

  /** Locks all heads against reads and writes, as a migration does, until `hold` has ended or a crash lets them go. */
  async lockHeads(hold: () => Promise<void>): Promise<boolean> {
    return this.#inTransaction('LOCK TABLE chat_head IN ACCESS EXCLUSIVE MODE', hold);
  }

  /** Keeps a transaction open that has written elsewhere and holds back the horizon of what is known to be committed. */
  async holdTransaction(hold: () => Promise<void>): Promise<boolean> {
    return this.#inTransaction('SELECT pg_current_xact_id()', hold);
  }

  /** @returns whether it could be committed; if not, a crash has ended it. */
  async #inTransaction(sql: string, hold: () => Promise<void>): Promise<boolean> {
    let client: Client | undefined;
    try {
      client = await this.#connect();
      await client.query('BEGIN');
      await client.query(sql);
      await hold();
      await client.query('COMMIT');
      return true;
    } catch (error) {
      if (!isGone(error)) throw error;
      return false;
    } finally {
      await client?.end().catch(() => undefined);
    }
  }

  /** Runs a statement that may be repeated, and waits for the database where it is away. */
  async query<Row extends object = Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const deadlineMs = performance.now() + BACK_LIMIT_MS;
    for (;;) {
      let client: Client | undefined;
      try {
        client = await this.#connect();
        return (await client.query(sql, values)).rows as Row[];
      } catch (error) {
        if (!isGone(error) || performance.now() > deadlineMs) throw error;
      } finally {
        await client?.end().catch(() => undefined);
      }
      await sleep(TRY_AGAIN_MS);
    }
  }

  /** Stops it in good order. */
  async stop(): Promise<void> {
    await this.server.stop();
  }

  async #connect(): Promise<Client> {
    const client = new Client({ ...this.server.connection, application_name: 'faults' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  #requirePid(): number {
    const { pid } = this.server;
    if (pid === undefined) throw new Error('the database does not run');
    return pid;
  }
}

/** Whether the connection was lost or could not be made; anything else is a fault of the test. */
export function isGone(error: unknown): boolean {
  // Errors of Node itself are of another realm than jest's: they are no `instanceof Error` there.
  const { code, message = '' } = error as { readonly code?: string; readonly message?: string };
  if (code === undefined) return /^(Connection terminated|Client has)/.test(message);
  return ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', '57P01', '57P02', '57P03'].includes(code);
}
