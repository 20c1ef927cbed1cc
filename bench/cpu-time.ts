import { readdirSync, readFileSync } from 'node:fs';

/** Length of a tick of /proc: 100 a second on every Linux that Node runs on. */
const TICK_US = 10_000;

interface ProcessTimes {
  readonly parent: number;
  /** In user mode and in the kernel, in microseconds. */
  readonly ownUs: number;
  /** Of children that have ended. */
  readonly endedUs: number;
}

/** CPU time that a process has taken, in microseconds; `undefined` where the system does not tell. */
export function cpuTimeUs(pid: number): number | undefined {
  return readTimes(pid)?.ownUs;
}

/** CPU time that a process and its children, present and ended, have taken; `undefined` where the system does not tell. */
export function familyCpuTimeUs(pid: number): number | undefined {
  const parent = readTimes(pid);
  if (parent === undefined) return undefined;
  let sum = parent.ownUs + parent.endedUs;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const times = readTimes(Number(name));
    if (times?.parent === pid) sum += times.ownUs;
  }
  return sum;
}

function readTimes(pid: number): ProcessTimes | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, which may hold anything; utime to cstime are the 14th to the 17th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, kernel, endedUser, endedKernel] = fields.slice(11, 15).map(Number) as [number, number, number, number];
    return {
      parent: Number(fields[1]),
      ownUs: (user + kernel) * TICK_US,
      endedUs: (endedUser + endedKernel) * TICK_US,
    };
  } catch {
    return undefined;
  }
}
