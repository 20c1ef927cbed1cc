import { execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { cpus } from 'node:os';

/**
 * Who runs where: what is measured has a core of its own, the load, the database and Redis share the others. Or all of
 * them share all cores.
 */
export type Place = 'measured' | 'others' | 'anywhere';

const COUNT = cpus().length;
const LISTS: Readonly<Record<Place, string>> = {
  measured: String(COUNT - 1),
  others: `0-${COUNT - 2}`,
  anywhere: `0-${COUNT - 1}`,
};

/** Whether processes can be kept to cores: on Linux with `taskset` and more than one core. */
export const CORES_CAN_BE_CHOSEN = COUNT > 1 && hasTaskset();

/** Starts a Node program on the cores of a place. */
export function spawnNode(
  place: Place,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly stdio: StdioOptions },
): ChildProcess {
  if (!CORES_CAN_BE_CHOSEN) return spawn(process.execPath, args, options);
  return spawn('taskset', ['-c', LISTS[place], process.execPath, ...args], options);
}

/** Moves a running process to the cores of a place; those that it starts later are there as well. */
export function moveProcess(place: Place, pid: number | undefined): void {
  if (CORES_CAN_BE_CHOSEN && pid !== undefined) {
    execFileSync('taskset', ['-acp', LISTS[place], String(pid)], { stdio: 'ignore' });
  }
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
