import type { ChildProcess } from 'node:child_process';

import { KILL_TIMEOUT_MS, QUIT_TIMEOUT_MS } from './cluster-processes.js';
import { SOCKET_PORT } from './data-folder.js';
import type { DataFolder } from './data-folder.js';
import type { ProgramLauncher } from './program-launcher.js';
import { ServerLog } from './server-log.js';
import { settlesWithin } from './wait-until.js';

/** What is needed to start a postmaster, any number of times. */
export interface PostmasterPlan {
  readonly folder: DataFolder;
  readonly launcher: ProgramLauncher;
  readonly program: string;
  /** Over our defaults, but not over where it listens. */
  readonly settings: Readonly<Record<string, string>>;
}

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  synchronous_commit: 'on',
  fsync: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off',
  shared_buffers: '128MB',
  max_connections: '100',
  max_wal_size: '2GB',
  log_checkpoints: 'off',
};

/** One run of PostgreSQL's main process, from its start to its exit. */
export class Postmaster {
  /** Why it ended; settles once, and never rejects. */
  readonly exited: Promise<string>;
  readonly startedAtMs = performance.now();
  private ended = false;

  private constructor(
    private readonly child: ChildProcess | undefined,
    startError: string | undefined,
    private readonly log: ServerLog,
    private readonly logPosition: number,
  ) {
    this.exited = new Promise<string>((resolve) => {
      const end = (reason: string): void => {
        this.ended = true;
        resolve(reason);
      };
      if (!child) return end(startError ?? 'it could not be started');
      child.once('exit', (code, signal) => end(signal ? `killed by ${signal}` : `exit code ${code}`));
      // Also emitted for a signal that could not be sent, when it still runs.
      child.on('error', (error) => child.pid ?? end(error.message));
    });
    child?.unref();
  }

  /** Starts PostgreSQL in a session of its own, logging to the file. It does not keep Node alive. */
  static async launch(plan: PostmasterPlan): Promise<Postmaster> {
    const { folder, launcher, program } = plan;
    const log = new ServerLog(folder.logFile);
    const file = await log.open(folder.account);
    try {
      const position = await log.size();
      try {
        const stdio = ['ignore' as const, file.fd, file.fd];
        const child = launcher.start(program, postmasterArguments(plan), { stdio, detached: true });
        return new Postmaster(child, undefined, log, position);
      } catch (error) {
        return new Postmaster(undefined, String(error), log, position);
      }
    } finally {
      await file.close();
    }
  }

  /** `undefined` when it could not be started. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isRunning(): boolean {
    return !this.ended;
  }

  /** Reads the last lines it logged. */
  async readLog(): Promise<string> {
    return this.log.readSince(this.logPosition);
  }

  /**
   * Shuts it down fast, which rolls back what is open; when that takes longer than `timeoutMs` at once, without a
   * checkpoint; and kills it if that hangs too.
   *
   * @returns whether it is gone. Takes 11 s more than `timeoutMs` at most.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    // From here on its end is waited for.
    if (this.isRunning) this.child?.ref();
    const stages: readonly [NodeJS.Signals, number][] = [
      ['SIGINT', timeoutMs],
      ['SIGQUIT', QUIT_TIMEOUT_MS],
      ['SIGKILL', KILL_TIMEOUT_MS],
    ];
    for (const [signal, stageTimeoutMs] of stages) {
      if (!this.isRunning) break;
      this.child?.kill(signal);
      await settlesWithin(this.exited, stageTimeoutMs);
    }
    this.child?.unref();
    return !this.isRunning;
  }
}

/** `-D` and the folder come first: by them an orphan is recognised. */
function postmasterArguments({ folder, settings }: PostmasterPlan): string[] {
  const all = {
    ...DEFAULT_SETTINGS,
    ...settings,
    listen_addresses: '',
    port: String(SOCKET_PORT),
    // A list of folders, of which each may be quoted.
    unix_socket_directories: `"${folder.socketDir.replaceAll('"', '""')}"`,
    cluster_name: folder.clusterName,
    log_destination: 'stderr',
    logging_collector: 'off',
  };
  return ['-D', folder.cluster, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}
