/**
 * Keeps one postmaster running.
 *
 * start -> running -> (exits unasked) restarting -> running -> ... -> stop -> stopped
 *
 * While restarting, the processes of the dead postmaster are waited for first: they hold its shared memory. The pause
 * before a restart doubles while restarts fail, or postmasters live briefly. `stop` ends any of these states; after it
 * has set its mark no postmaster is started, or one whose start was already under way is stopped.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { errorText } from '../../common/error-fields.js';
import { endStragglers } from './cluster-processes.js';
import { makeSocketDir } from './data-folder.js';
import { tryDatabase } from './database-connection.js';
import type { EmbeddedConnection } from './database-connection.js';
import { EmbeddedDatabaseError } from './embedded-database-error.js';
import { Postmaster } from './postmaster.js';
import type { PostmasterPlan } from './postmaster.js';

/** A line about the life of the embedded database, for the application's log. */
export interface EmbeddedLogEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
}

const READY_POLL_MS = 20;
/** Too low: a database that cannot start burns a core. Too high: the application waits longer than it has to. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** A postmaster that lived this long was well: the next restart is at once. */
const STABLE_AFTER_MS = 10_000;
const SHARED_MEMORY_IN_USE = 'pre-existing shared memory block';

type Readiness = { readonly state: 'ready' | 'exited' | 'late' | 'stopping'; readonly reason: string };

/** Starts, watches, restarts and stops the postmaster of one data folder. */
export class PostmasterSupervisor {
  private current: Postmaster | undefined;
  private failures = 0;
  private recovery: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  private readonly stopMark = new AbortController();

  constructor(
    private readonly plan: PostmasterPlan,
    private readonly connection: EmbeddedConnection,
    private readonly stopTimeoutMs: number,
    private readonly onLog: (event: EmbeddedLogEvent) => void,
  ) {}

  /** `undefined` while none runs. */
  get pid(): number | undefined {
    return this.current?.isRunning ? this.current.pid : undefined;
  }

  /**
   * Starts the first postmaster and waits until the database answers.
   *
   * @throws {@link EmbeddedDatabaseError} `embedded_database_start_failed`, `embedded_database_start_timeout`,
   * `embedded_database_password_lost`; the caller then calls {@link stop}.
   */
  async start(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const postmaster = await this.launch();
      const { state, reason } = await this.waitUntilReady(postmaster, deadlineMs);
      if (state === 'ready') return this.watch(postmaster);
      // A stop that came while it was being launched has not found it.
      if (this.stopMark.signal.aborted) await this.stopCurrent();
      const log = await postmaster.readLog();
      if (state !== 'exited') {
        throw this.startError('embedded_database_start_timeout', `${timeoutMs} ms, ${reason}`, log);
      }
      if (!log.includes(SHARED_MEMORY_IN_USE) || performance.now() >= deadlineMs) {
        throw this.startError('embedded_database_start_failed', reason, log);
      }
      await sleep(FIRST_PAUSE_MS);
    }
  }

  /** Stops the postmaster, or the attempt to restart it. Never rejects; repeating it waits for the same end. */
  async stop(): Promise<void> {
    this.stopped ??= this.stopOnce();
    return this.stopped;
  }

  private async stopOnce(): Promise<void> {
    this.stopMark.abort();
    await this.stopCurrent();
    await this.recovery;
    // The recovery may have been past its last look at the mark.
    await this.stopCurrent();
  }

  private async stopCurrent(): Promise<void> {
    if (!this.current || (await this.current.stop(this.stopTimeoutMs))) return;
    this.onLog({ level: 'error', message: `Embedded PostgreSQL (pid ${this.current.pid}) cannot be stopped` });
  }

  private async launch(): Promise<Postmaster> {
    await endStragglers(this.plan.folder);
    await makeSocketDir(this.plan.folder);
    this.current = await Postmaster.launch(this.plan);
    return this.current;
  }

  private async waitUntilReady(postmaster: Postmaster, deadlineMs: number): Promise<Readiness> {
    let reason = 'not tried';
    for (;;) {
      if (!postmaster.isRunning) return { state: 'exited', reason: await postmaster.exited };
      if (this.stopMark.signal.aborted) return { state: 'stopping', reason: 'stop requested' };
      if (performance.now() >= deadlineMs) return { state: 'late', reason };
      const refusal = await tryDatabase(this.connection);
      if (refusal === undefined) return { state: 'ready', reason: '' };
      reason = refusal;
      await sleep(READY_POLL_MS);
    }
  }

  private watch(postmaster: Postmaster): void {
    void postmaster.exited.then((reason) => {
      if (this.stopMark.signal.aborted) return;
      const livedMs = performance.now() - postmaster.startedAtMs;
      this.failures = livedMs >= STABLE_AFTER_MS ? 0 : this.failures + 1;
      this.onLog({ level: 'error', message: `Embedded PostgreSQL ended unasked (${reason}); restarting it` });
      this.recovery = this.recover();
    });
  }

  /** Never rejects. */
  private async recover(): Promise<void> {
    const { signal } = this.stopMark;
    for (; !signal.aborted; this.failures += 1) {
      const pauseMs = this.failures === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.failures - 1), LONGEST_PAUSE_MS);
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const postmaster = await this.launch();
        const { state, reason } = await this.waitUntilReady(postmaster, Number.POSITIVE_INFINITY);
        if (state === 'stopping') return;
        if (state === 'ready') {
          this.onLog({ level: 'info', message: `Embedded PostgreSQL runs again (pid ${postmaster.pid})` });
          return this.watch(postmaster);
        }
        this.onLog({
          level: 'error',
          message: `Embedded PostgreSQL did not restart: ${reason}\n${await postmaster.readLog()}`,
        });
      } catch (error) {
        this.onLog({ level: 'error', message: `Embedded PostgreSQL did not restart: ${errorText(error)}` });
        await this.stopCurrent();
      }
    }
  }

  private startError(
    code: 'embedded_database_start_failed' | 'embedded_database_start_timeout',
    reason: string,
    log: string,
  ): EmbeddedDatabaseError {
    const { root, logFile } = this.plan.folder;
    return new EmbeddedDatabaseError(
      code,
      `The embedded database in ${root} did not start (${reason}). Put right what its log says, choose another ` +
        `SCROLLBACK_DATA_DIR, or set DATABASE_URL. The end of ${logFile}:\n${log}`,
    );
  }
}
