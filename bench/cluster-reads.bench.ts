import { Cluster } from '../test/support/cluster.js';
import type { InstanceProcess } from '../test/support/instance-process.js';
import { BenchDatabase } from './bench-database.js';
import { CORES_CAN_BE_CHOSEN, moveProcess } from './cores.js';
import { cpuTimeUs } from './cpu-time.js';
import { LoadGenerator } from './load/load-generator.js';
import { writeSection, type Figure } from './report.js';

const CHATS = 1000;
const MESSAGES_PER_CHAT = 100;
const PAGE_LIMIT = 50;
const CONNECTIONS = 32;
const ROUNDS = 5;
const WARM_UP_MS = 500;
/** Before the first round, so that every side's code is compiled and every cache full. */
const FIRST_WARM_UP_MS = 2500;
const MEASURED_MS = 2500;
const INSTANCES = 3;

/** What is compared: who answers, and what stands before it. */
interface Side {
  readonly title: string;
  readonly cluster: Cluster;
  readonly port: number;
}

/** What a slice of load on one side came to. */
interface Slice {
  readonly requestsPerSecond: number;
  /** CPU time of all instances of the side for one request; `undefined` where the system does not tell. */
  readonly instancesCpuUs: number | undefined;
  readonly nginxCpuUs: number | undefined;
  readonly p99Ms: number;
  readonly clientBusy: number;
}

/**
 * Latest pages over HTTP from one instance and from three behind nginx. What counts is the CPU time that the instances take
 * for a request: three have as many times the cores of one, if there are any, and serve as many times the requests if each takes
 * no more time for one.
 */
export async function benchClusterReads(source: string | undefined): Promise<void> {
  const database = await BenchDatabase.start(source, { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT });
  const load = new LoadGenerator();
  const clusters: Cluster[] = [];
  try {
    const start = async (instances: number): Promise<Cluster> => {
      const cluster = await Cluster.start({ instances, bus: 'none', databaseUrl: database.url });
      clusters.push(cluster);
      for (const { pid } of cluster.instances) moveProcess('measured', pid);
      moveProcess('others', cluster.nginx.pid);
      return cluster;
    };
    const one = await start(1);
    const three = await start(INSTANCES);
    const sides: Side[] = [
      { title: '1 instance', cluster: one, port: one.instances[0]!.port },
      { title: '1 instance behind nginx', cluster: one, port: portOf(one) },
      { title: `${INSTANCES} instances behind nginx`, cluster: three, port: portOf(three) },
    ];
    const slices = await measure(sides, load, database.chatIds);
    writeReport(source, sides, slices);
  } finally {
    load.stop();
    for (const cluster of clusters) await cluster.close();
    await database.stop();
  }
}

async function measure(
  sides: readonly Side[],
  load: LoadGenerator,
  chatIds: readonly string[],
): Promise<Map<Side, Slice[]>> {
  const requests = chatIds.map(
    (chatId) =>
      `GET /v1/chats/${chatId}/messages?limit=${PAGE_LIMIT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n`,
  );
  const run = async (side: Side, warmUpMs: number, measuredMs: number, seed: number): Promise<Slice> => {
    const { instances, nginx } = side.cluster;
    const order = {
      port: side.port,
      serverPid: nginx.pid,
      requests,
      connections: CONNECTIONS,
      warmUpMs,
      measuredMs,
      seed,
    };
    const before = cpuTimesUs(instances);
    const nginxBefore = cpuTimeUs(nginx.pid);
    const report = await load.run(order);
    const perRequest = (from: number | undefined, to: number | undefined): number | undefined =>
      from === undefined || to === undefined ? undefined : (to - from) / report.allRequests;
    return {
      requestsPerSecond: report.requestsPerSecond,
      instancesCpuUs: perRequest(before, cpuTimesUs(instances)),
      nginxCpuUs: perRequest(nginxBefore, cpuTimeUs(nginx.pid)),
      p99Ms: report.p99Ms,
      clientBusy: report.clientBusy,
    };
  };
  const slices = new Map<Side, Slice[]>(sides.map((side) => [side, []]));
  for (const side of sides) await run(side, FIRST_WARM_UP_MS, 100, 0);
  for (let round = 1; round <= ROUNDS; round++) {
    const first = (round - 1) % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      const slice = await run(side, WARM_UP_MS, MEASURED_MS, round);
      slices.get(side)!.push(slice);
      process.stderr.write(
        `round ${round}: ${side.title}: ${Math.round(slice.requestsPerSecond)} req/s, instances ${slice.instancesCpuUs?.toFixed(1)} µs, ` +
          `client busy ${Math.round(slice.clientBusy * 100)} %\n`,
      );
    }
  }
  return slices;
}

function writeReport(source: string | undefined, sides: readonly Side[], slices: ReadonlyMap<Side, Slice[]>): void {
  const pick = (side: Side, value: (slice: Slice) => number | undefined): number[] =>
    slices.get(side)!.flatMap((slice) => value(slice) ?? []);
  const cpu = (side: Side): number[] => pick(side, ({ instancesCpuUs }) => instancesCpuUs);
  const [direct, behind, several] = sides as [Side, Side, Side];
  const ratio = (side: Side, base: Side): number[] => cpu(base).map((time, round) => time / cpu(side)[round]!);
  const table = (title: string, unit: string, values: (side: Side) => number[], of = sides): Figure[] =>
    of.map((side) => ({ table: title, name: side.title, rounds: values(side), unit }));
  writeSection(
    'Reads from several instances',
    `${source === undefined ? 'Made-up' : 'Real'} conversations, ${CHATS.toLocaleString('en')} chats of ${MESSAGES_PER_CHAT} messages. ` +
      `\`GET /v1/chats/{chatId}/messages?limit=${PAGE_LIMIT}\` of random chats over ${CONNECTIONS} keep-alive connections; all caches are full, nginx ` +
      `is that of deploy/nginx. ${
        CORES_CAN_BE_CHOSEN
          ? 'All instances of a side share one core; nginx, the client and PostgreSQL share the others.'
          : 'Instances, nginx, client and PostgreSQL share the cores.'
      } Requests per second therefore tell nothing of several cores: what does is the CPU time of the instances for a request.`,
    [
      ...[
        { name: `${several.title} / ${behind.title}`, rounds: ratio(several, behind) },
        { name: `${several.title} / ${direct.title}`, rounds: ratio(several, direct) },
      ].map((figure) => ({ ...figure, table: 'reads per second of the instances’ CPU time', unit: '' })),
      ...table('CPU time of the instances for a request', 'µs', cpu),
      ...table('CPU time of nginx for a request', 'µs', (side) => pick(side, ({ nginxCpuUs }) => nginxCpuUs), [
        behind,
        several,
      ]),
      ...table('requests per second', '', (side) => pick(side, ({ requestsPerSecond }) => requestsPerSecond)),
      ...table('time of an answer, p99', 'ms', (side) => pick(side, ({ p99Ms }) => p99Ms)),
    ].filter(({ rounds }) => rounds.length > 0),
  );
}

function cpuTimesUs(instances: readonly InstanceProcess[]): number | undefined {
  let sum = 0;
  for (const { pid } of instances) {
    const time = pid === undefined ? undefined : cpuTimeUs(pid);
    if (time === undefined) return undefined;
    sum += time;
  }
  return sum;
}

function portOf(cluster: Cluster): number {
  return Number(new URL(cluster.nginx.url).port);
}
