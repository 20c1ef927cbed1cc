import { readFileSync } from 'node:fs';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { KeepAliveClient } from './keep-alive-client.js';

/** What one slice of load is to be. */
export interface LoadOrder {
  readonly port: number;
  /** The server's process, whose CPU time is taken. */
  readonly serverPid: number;
  /** Requests as they go on the wire, drawn at random. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly seed: number;
}

/** What one slice of load came to; the warm-up is not in it. */
export interface LoadReport {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the server's process for one request; `undefined` where the system does not tell. */
  readonly serverCpuUs: number | undefined;
  /** Share of the time, 0 to 1, that this process was busy. Near 1 it is the client that is measured. */
  readonly clientBusy: number;
}

/** Length of a tick of /proc: 100 a second on every Linux that Node runs on. */
const TICK_US = 10_000;

// A process of its own, so that making load takes no time from what is measured, and can be kept to one core.
process.on('message', (order: LoadOrder) => {
  void runSlice(order).then(
    (report) => process.send!(report),
    (error: Error) => process.send!({ error: error.message }),
  );
});

async function runSlice(order: LoadOrder): Promise<LoadReport> {
  const requests = order.requests.map((request) => Buffer.from(request));
  const random = new SeededRandom(order.seed);
  const next = (): Buffer => random.pick(requests);
  const client = await KeepAliveClient.open(order.port, order.connections);
  try {
    await client.run(next, order.warmUpMs);
    const serverBefore = cpuTimeUs(order.serverPid);
    const ownBefore = process.cpuUsage();
    const { requests: count, seconds, latenciesMs } = await client.run(next, order.measuredMs);
    const own = process.cpuUsage(ownBefore);
    const serverAfter = cpuTimeUs(order.serverPid);
    return {
      requestsPerSecond: count / seconds,
      p50Ms: latenciesMs[Math.floor(count * 0.5)]!,
      p99Ms: latenciesMs[Math.floor(count * 0.99)]!,
      serverCpuUs:
        serverBefore === undefined || serverAfter === undefined ? undefined : (serverAfter - serverBefore) / count,
      clientBusy: (own.user + own.system) / 1e6 / seconds,
    };
  } finally {
    client.close();
  }
}

/** CPU time that a process has taken, in user mode and in the kernel. */
function cpuTimeUs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, which may hold anything; utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return undefined;
  }
}
