import { randomUUID } from 'node:crypto';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { cpuTimeUs } from '../cpu-time.js';
import { KeepAliveClient, type LoadCount } from './keep-alive-client.js';
import { serveOrders } from './order-process.js';

/** What one slice of load is to be. */
export interface LoadOrder {
  readonly port: number;
  /** The server's process, whose CPU time is taken. */
  readonly serverPid: number;
  /**
   * Requests as they go on the wire, drawn at random. Where one has a {@link CLIENT_ID_PLACE}, a new id is put there each
   * time.
   */
  readonly requests: readonly string[];
  /** Status that every answer must have; absent: 200. */
  readonly status?: number;
  readonly connections: number;
  /** Requests that begin in a second, at random times, answered or not; absent: as many as are answered. */
  readonly ratePerSecond?: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly seed: number;
}

/** What one slice of load came to; the warm-up is not in it. */
export interface LoadReport {
  /** Answered requests, those of the warm-up included. */
  readonly allRequests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** CPU time of the server's process for one request; `undefined` where the system does not tell. */
  readonly serverCpuUs: number | undefined;
  /** Share of the time, 0 to 1, that this process was busy. Near 1 it is the client that is measured. */
  readonly clientBusy: number;
}

/** Where a request has the id of what it sends: as long as a UUID. */
export const CLIENT_ID_PLACE = '00000000-0000-4000-8000-000000000000';

// A process of its own, so that making load takes no time from what is measured, and can be kept to one core.
if (process.send !== undefined) serveOrders(runSlice);

async function runSlice(order: LoadOrder): Promise<LoadReport> {
  const random = new SeededRandom(order.seed);
  const requests = order.requests.map((request) => template(request));
  const next = (): Buffer => random.pick(requests)();
  const client = await KeepAliveClient.open(order.port, order.connections, order.status);
  const run = (durationMs: number): Promise<LoadCount> =>
    order.ratePerSecond === undefined
      ? client.run(next, durationMs)
      : client.runAtRate(next, order.ratePerSecond, durationMs, random);
  try {
    const warmUp = await run(order.warmUpMs);
    const serverBefore = cpuTimeUs(order.serverPid);
    const ownBefore = process.cpuUsage();
    const { requests: count, seconds, latenciesMs } = await run(order.measuredMs);
    const own = process.cpuUsage(ownBefore);
    const serverAfter = cpuTimeUs(order.serverPid);
    return {
      allRequests: warmUp.requests + count,
      requestsPerSecond: count / seconds,
      p50Ms: latenciesMs[Math.floor(count * 0.5)]!,
      p99Ms: latenciesMs[Math.floor(count * 0.99)]!,
      maxMs: latenciesMs.at(-1)!,
      serverCpuUs:
        serverBefore === undefined || serverAfter === undefined ? undefined : (serverAfter - serverBefore) / count,
      clientBusy: (own.user + own.system) / 1e6 / seconds,
    };
  } finally {
    client.close();
  }
}

/** Makes the bytes of a request, each time with another id where it has a place for one. */
function template(request: string): () => Buffer {
  const bytes = Buffer.from(request);
  const place = bytes.indexOf(CLIENT_ID_PLACE);
  if (place === -1) return () => bytes;
  return () => {
    const copy = Buffer.from(bytes);
    copy.write(randomUUID(), place, 'latin1');
    return copy;
  };
}
