import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);
const PS_ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
const HAS_PROC = process.platform === 'linux';

/** A running process. `command` is what `ps` shows: the arguments, or the title the process gave itself. */
export interface RunningProcess {
  readonly pid: number;
  readonly command: readonly string[];
}

/**
 * Reads a token of the moment a process started, in `[0-9a-z]`, which together with the pid names that process for
 * ever: a pid is reused, a pid with its start is not.
 *
 * @returns `undefined` when no such process runs. A zombie does not run: it holds nothing, and one whose parent never
 * collects it (a PID 1 that is not an init) stays for ever.
 */
export async function readProcessStart(pid: number): Promise<string | undefined> {
  return HAS_PROC ? readStartFromProc(pid) : readStartFromPs(pid);
}

/** Lists the processes whose arguments may be read; zombies have none and are left out. */
export async function listProcesses(): Promise<RunningProcess[]> {
  return HAS_PROC ? listFromProc() : listFromPs();
}

/** Reads the working directory of a process; `undefined` when it is gone or may not be looked at. */
export async function readWorkingDirectory(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).catch(() => undefined);
}

async function readStartFromProc(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name, field 2, may hold spaces and brackets: count from its last bracket, where field 3 begins.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[22 - 3]];
  if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
  // Ticks count from boot, so the boot belongs to the identity.
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${startTicks}x${bootId.slice(0, 8)}`;
}

async function readStartFromPs(pid: number): Promise<string | undefined> {
  const output = await runPs(['-o', 'stat=,lstart=', '-p', String(pid)]);
  const [state, ...started] = output.trim().split(/\s+/);
  if (!state || state.startsWith('Z')) return undefined;
  return `${Date.parse(started.join(' '))}`.toLowerCase();
}

async function listFromProc(): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return { pid: Number(pid), command: command.split('\0').filter((argument) => argument !== '') };
    }),
  );
  return processes.filter(({ command }) => command.length > 0);
}

async function listFromPs(): Promise<RunningProcess[]> {
  const output = await runPs(['-axww', '-o', 'pid=,command=']);
  return output.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(.+)$/.exec(line);
    return match?.[1] && match[2] ? [{ pid: Number(match[1]), command: [match[2]] }] : [];
  });
}

async function runPs(args: string[]): Promise<string> {
  // It exits with 1 when no process matches.
  return execFileAsync('ps', args, { env: PS_ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 }).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
