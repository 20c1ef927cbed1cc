import { readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';

import { socketPath } from './data-folder.js';
import type { DataFolder } from './data-folder.js';
import { EmbeddedDatabaseError } from './embedded-database-error.js';
import { EmbeddedDatabaseInUseError } from './embedded-database-in-use-error.js';
import { listProcesses, readProcessStart, readWorkingDirectory } from './process-table.js';
import type { RunningProcess } from './process-table.js';
import { waitUntil } from './wait-until.js';

/** Too low: backends about to leave by themselves are killed. Too high: one busy with a long query delays a restart. */
const STRAGGLER_TIMEOUT_MS = 2_000;

/** PostgreSQL kills what is left of its own processes 5 s after SIGQUIT: less than that would forestall it. */
export const QUIT_TIMEOUT_MS = 6_000;

/** Until the kernel has buried a killed process, unless it hangs in a device. */
export const KILL_TIMEOUT_MS = 5_000;

/** Its first line is the postmaster's pid. */
const PID_FILE = 'postmaster.pid';

interface ClusterProcess {
  readonly pid: number;
  readonly isPostmaster: boolean;
}

/**
 * Stops the PostgreSQL that a killed owner left behind, and removes the pid file that a reused pid would make
 * PostgreSQL trip over. Only for the owner of the folder.
 *
 * @returns the pid of the postmaster that was stopped, `undefined` when none ran.
 * @throws {@link EmbeddedDatabaseInUseError} when the socket is answered by a process that cannot be seen from here.
 * @throws {@link EmbeddedDatabaseError} `embedded_database_start_failed` when it could not be stopped.
 */
export async function stopOrphans(folder: DataFolder, stopTimeoutMs: number): Promise<number | undefined> {
  const orphan = await findPostmaster(folder);
  if (orphan === undefined) {
    await endStragglers(folder);
    if (await isAnswering(socketPath(folder))) throw new EmbeddedDatabaseInUseError(folder.root, undefined);
    await removeMisleadingPidFile(folder.cluster);
    return undefined;
  }
  const stages: readonly [NodeJS.Signals, number][] = [
    ['SIGINT', stopTimeoutMs],
    ['SIGQUIT', QUIT_TIMEOUT_MS],
    ['SIGKILL', KILL_TIMEOUT_MS],
  ];
  for (const [signal, timeoutMs] of stages) {
    // Looked up again for each signal: the pid may be another program's by now.
    const pid = await findPostmaster(folder);
    if (pid !== undefined) send(signal, pid);
    if (await waitUntil(async () => (await findPostmaster(folder)) === undefined, timeoutMs)) {
      await endStragglers(folder);
      return orphan;
    }
  }
  throw unstoppable(folder, orphan);
}

/**
 * Waits for processes whose postmaster is gone, which hold its shared memory and keep the next one from starting, and
 * kills those that do not leave. What they had committed is in the log; they have nobody left to serve.
 */
export async function endStragglers(folder: DataFolder): Promise<void> {
  const isClear = async (): Promise<boolean> => (await findClusterProcesses(folder)).length === 0;
  if (await waitUntil(isClear, STRAGGLER_TIMEOUT_MS)) return;
  const stragglers = await findClusterProcesses(folder);
  for (const { pid } of stragglers) send('SIGKILL', pid);
  if (!(await waitUntil(isClear, KILL_TIMEOUT_MS))) throw unstoppable(folder, stragglers[0]?.pid);
}

async function findPostmaster(folder: DataFolder): Promise<number | undefined> {
  const candidates = (await findClusterProcesses(folder)).filter(({ isPostmaster }) => isPostmaster);
  // A backend looks like its postmaster until it has given itself a title: the file tells them apart.
  const named = await readPidFile(folder.cluster);
  return (candidates.find(({ pid }) => pid === named) ?? candidates[0])?.pid;
}

/** Every process of this cluster that can be seen, whoever started it. */
async function findClusterProcesses(folder: DataFolder): Promise<ClusterProcess[]> {
  const found = await Promise.all(
    (await listProcesses()).map(async (candidate): Promise<ClusterProcess | undefined> => {
      const { pid, command } = candidate;
      if (isPostmasterOf(candidate, folder.cluster)) return { pid, isPostmaster: true };
      const title = command[0] ?? '';
      if (title.startsWith(`postgres: ${folder.clusterName}:`)) return { pid, isPostmaster: false };
      // Started by hand, or the folder has been moved since: PostgreSQL works in its data directory.
      const isServer = basename(title) === 'postgres';
      if (!isServer && !title.startsWith('postgres: ')) return undefined;
      return (await readWorkingDirectory(pid)) === folder.cluster ? { pid, isPostmaster: isServer } : undefined;
    }),
  );
  return found.filter((entry) => entry !== undefined);
}

/** By the arguments that {@link Postmaster} gives it, on its own or still behind `setpriv`. */
function isPostmasterOf({ command }: RunningProcess, cluster: string): boolean {
  if (command.length === 1) return command[0]?.includes(`/postgres -D ${cluster} `) === true;
  const program =
    basename(command[0] ?? '') === 'setpriv' ? command.findIndex((word) => word.endsWith('/postgres')) : 0;
  return (
    basename(command[program] ?? '') === 'postgres' && command[program + 1] === '-D' && command[program + 2] === cluster
  );
}

function send(signal: NodeJS.Signals, pid: number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, or another user's: the wait that follows tells.
  }
}

async function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

async function removeMisleadingPidFile(cluster: string): Promise<void> {
  const pid = await readPidFile(cluster);
  if (pid === undefined || !hasPid(pid)) return;
  // A process that runs but may not be looked at could be a postmaster of this cluster: PostgreSQL decides then.
  const isVisible = (await listProcesses()).some((candidate) => candidate.pid === pid);
  if (isVisible || (await readProcessStart(pid)) === undefined) await rm(join(cluster, PID_FILE), { force: true });
}

async function readPidFile(cluster: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(join(cluster, PID_FILE), 'utf8').catch(() => ''), 10);
  return Number.isInteger(pid) ? pid : undefined;
}

function hasPid(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function unstoppable(folder: DataFolder, pid: number | undefined): EmbeddedDatabaseError {
  return new EmbeddedDatabaseError(
    'embedded_database_start_failed',
    `PostgreSQL process ${pid} of an earlier run still uses ${folder.cluster} and could not be stopped. ` +
      'Stop it, choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL.',
  );
}
