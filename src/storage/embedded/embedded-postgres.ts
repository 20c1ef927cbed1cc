import { checkCluster, DATABASE_USER, initializeCluster } from './cluster-initialization.js';
import { stopOrphans } from './cluster-processes.js';
import { exists, openDataFolder, readPassword, SOCKET_PORT } from './data-folder.js';
import type { DataFolder } from './data-folder.js';
import type { EmbeddedConnection } from './database-connection.js';
import { OwnerLock } from './owner-lock.js';
import { findPostgresBinaries } from './postgres-binaries.js';
import { PostmasterSupervisor } from './postmaster-supervisor.js';
import type { EmbeddedLogEvent } from './postmaster-supervisor.js';
import { ProgramLauncher } from './program-launcher.js';

/** Where the embedded database lives and how long it may take. */
export interface EmbeddedPostgresOptions {
  /** Created if missing; what is in it is this class' own. */
  readonly dataDir: string;
  /** More PostgreSQL settings, over the defaults; where it listens cannot be changed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** For creating the cluster, and again for becoming ready. Default 60000; recovery after a crash counts. */
  readonly startTimeoutMs?: number;
  /** For a clean shutdown; what takes longer is cut short and recovered at the next start. Default 20000. */
  readonly stopTimeoutMs?: number;
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined;
  readonly onLog?: (event: EmbeddedLogEvent) => void;
}

const DEFAULT_START_TIMEOUT_MS = 60_000;
const DEFAULT_STOP_TIMEOUT_MS = 20_000;
/** The database that is made in every cluster. */
export const DATABASE_NAME = 'scrollback';

/**
 * A PostgreSQL of our own, from the binaries that npm installed, listening on a private unix socket only.
 *
 * One process owns a data folder at a time. A postmaster that dies is started again; one that outlived its owner is
 * stopped by the next. Ctrl-C does not reach it: whoever started it stops it, after everything that uses it.
 */
export class EmbeddedPostgres {
  private constructor(
    readonly connection: EmbeddedConnection,
    private readonly supervisor: PostmasterSupervisor,
    private readonly lock: OwnerLock,
  ) {}

  /**
   * Starts PostgreSQL and waits until it answers, creating the cluster at the first start.
   *
   * @throws {@link EmbeddedDatabaseInUseError} when another live process, or this one, owns the folder.
   * @throws {@link EmbeddedDatabaseError} with the code of what has to be put right; nothing is left running or locked.
   * @throws the reason of the signal that ended the start; likewise.
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const { signal } = options;
    signal?.throwIfAborted();
    const binaries = await findPostgresBinaries();
    const folder = await openDataFolder(options.dataDir);
    const lock = await OwnerLock.acquire(folder.root);
    let supervisor: PostmasterSupervisor | undefined;
    const end = (): void => void supervisor?.stop();
    signal?.addEventListener('abort', end);
    try {
      const onLog = options.onLog ?? ((): void => undefined);
      const startTimeoutMs = options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS;
      const stopTimeoutMs = options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
      const { launcher, version } = await ProgramLauncher.choose(folder.account, binaries.postgres, [
        folder.cluster,
        folder.socketDir,
      ]);

      const orphan = await stopOrphans(folder, stopTimeoutMs);
      if (orphan !== undefined) {
        onLog({ level: 'warn', message: `Stopped PostgreSQL (pid ${orphan}), left behind by a run that was killed` });
      }

      signal?.throwIfAborted();
      const clusterExists = await exists(folder.cluster);
      const password = await readPassword(folder, clusterExists);
      if (!clusterExists) {
        onLog({ level: 'info', message: `Creating the embedded database in ${folder.root}` });
        await initializeCluster(folder, launcher, binaries.initdb, password, { timeoutMs: startTimeoutMs, signal });
      }
      await checkCluster(folder, version);
      signal?.throwIfAborted();

      const connection = connectionTo(folder, password);
      const settings = options.settings ?? {};
      const plan = { folder, launcher, program: binaries.postgres, settings };
      supervisor = new PostmasterSupervisor(plan, connection, stopTimeoutMs, onLog);
      await supervisor.start(startTimeoutMs);
      signal?.throwIfAborted();
      return new EmbeddedPostgres(connection, supervisor, lock);
    } catch (error) {
      await supervisor?.stop();
      await lock.release();
      // Whatever has failed because of it.
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', end);
    }
  }

  /** The postmaster's; changes when it is restarted, and is `undefined` while none runs. */
  get pid(): number | undefined {
    return this.supervisor.pid;
  }

  /**
   * Shuts PostgreSQL down and gives the folder up, also when it is already dead or being restarted. Open connections
   * are cut. Repeating it does nothing more.
   */
  async stop(): Promise<void> {
    await this.supervisor.stop();
    await this.lock.release();
  }
}

function connectionTo({ socketDir }: DataFolder, password: string): EmbeddedConnection {
  return { host: socketDir, port: SOCKET_PORT, user: DATABASE_USER, password, database: DATABASE_NAME };
}
