import { Cluster } from '../test/support/cluster.js';
import type { InstanceProcess } from '../test/support/instance-process.js';
import { BenchDatabase } from './bench-database.js';
import { CORES_CAN_BE_CHOSEN, moveProcess } from './cores.js';
import { cpuTimeUs } from './cpu-time.js';
import { LoadGenerator } from './load/load-generator.js';
import type { LoadOrder } from './load/load-process.js';
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

/** Load on some chats, and the instances that are on the measured core while it goes on: the others are idle. */
interface Part {
  readonly chatIds: readonly string[];
  readonly measured: readonly InstanceProcess[];
}

/** What is compared: who answers, what stands before it, and who has the core. */
interface Side {
  readonly title: string;
  readonly cluster: Cluster;
  readonly port: number;
  /** One after the other, as if each had a core of its own. */
  readonly parts: readonly Part[];
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
 * Latest pages over HTTP from one instance and from three behind nginx. What counts is the CPU time that an instance takes for a
 * request: three have as many times the cores of one, and serve as many times the requests if each takes no more time for one. Where
 * there are fewer cores, each has one to itself in turn, for the chats that nginx sends to it; and, beside that, all of them share one.
 */
export async function benchClusterReads(source: string | undefined): Promise<void> {
  const database = await BenchDatabase.start(source, { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT });
  const load = new LoadGenerator();
  const clusters: Cluster[] = [];
  try {
    const start = async (instances: number): Promise<Cluster> => {
      const cluster = await Cluster.start({ instances, bus: 'none', databaseUrl: database.url });
      clusters.push(cluster);
      moveProcess('others', cluster.nginx.pid);
      return cluster;
    };
    const one = await start(1);
    const three = await start(INSTANCES);
    const { chatIds } = database;
    const ofOne = { cluster: one, parts: [{ chatIds, measured: one.instances }] };
    const ofThree = { cluster: three, port: portOf(three) };
    const sides: Side[] = [
      { ...ofOne, title: '1 instance', port: one.instances[0]!.port },
      { ...ofOne, title: '1 instance behind nginx', port: portOf(one) },
      { ...ofThree, title: `${INSTANCES} behind nginx, a core for each`, parts: await routedParts(three, chatIds) },
      { ...ofThree, title: `${INSTANCES} behind nginx on one core`, parts: [{ chatIds, measured: three.instances }] },
    ];
    writeReport(source, sides, await measure(sides, load));
  } finally {
    load.stop();
    for (const cluster of clusters) await cluster.close();
    await database.stop();
  }
}

/** For each instance the chats that nginx sends to it: those that it has been asked for when each was read once. */
async function routedParts({ api, instances }: Cluster, chatIds: readonly string[]): Promise<Part[]> {
  for (const chatId of chatIds) await api.page(chatId);
  const parts = await Promise.all(
    instances.map(async (instance) => {
      const own: string[] = [];
      for (const chatId of chatIds) {
        const { body } = await instance.api.get<{ hits?: number }>(`/v1/admin/cache/chats/${chatId}`);
        if ((body.hits ?? 0) > 0) own.push(chatId);
      }
      return { chatIds: own, measured: [instance] };
    }),
  );
  const found = parts.reduce((sum, part) => sum + part.chatIds.length, 0);
  if (found !== chatIds.length) throw new Error(`nginx sends ${chatIds.length} chats to ${found} instances in all.`);
  return parts;
}

async function measure(sides: readonly Side[], load: LoadGenerator): Promise<Map<Side, Slice[]>> {
  const run = async (side: Side, warmUpMs: number, measuredMs: number, seed: number): Promise<Slice> => {
    const parts: Slice[] = [];
    for (const part of side.parts) parts.push(await measurePart(side, part, load, { warmUpMs, measuredMs, seed }));
    return meanOf(parts);
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

async function measurePart(
  { cluster, port }: Side,
  { chatIds, measured }: Part,
  load: LoadGenerator,
  times: Pick<LoadOrder, 'warmUpMs' | 'measuredMs' | 'seed'>,
): Promise<Slice> {
  const { instances, nginx } = cluster;
  for (const instance of instances) moveProcess(measured.includes(instance) ? 'measured' : 'others', instance.pid);
  const requests = chatIds.map(
    (chatId) =>
      `GET /v1/chats/${chatId}/messages?limit=${PAGE_LIMIT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n`,
  );
  const before = cpuTimesUs(measured);
  const nginxBefore = cpuTimeUs(nginx.pid);
  const report = await load.run({ port, serverPid: nginx.pid, requests, connections: CONNECTIONS, ...times });
  const perRequest = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : (to - from) / report.allRequests;
  return {
    requestsPerSecond: report.requestsPerSecond,
    instancesCpuUs: perRequest(before, cpuTimesUs(measured)),
    nginxCpuUs: perRequest(nginxBefore, cpuTimeUs(nginx.pid)),
    p99Ms: report.p99Ms,
    clientBusy: report.clientBusy,
  };
}

/** The mean of each figure. */
function meanOf(slices: readonly Slice[]): Slice {
  const mean = (value: (slice: Slice) => number): number =>
    slices.reduce((sum, slice) => sum + value(slice), 0) / slices.length;
  const orNone = (value: (slice: Slice) => number | undefined): number | undefined =>
    slices.some((slice) => value(slice) === undefined) ? undefined : mean((slice) => value(slice)!);
  return {
    requestsPerSecond: mean(({ requestsPerSecond }) => requestsPerSecond),
    instancesCpuUs: orNone(({ instancesCpuUs }) => instancesCpuUs),
    nginxCpuUs: orNone(({ nginxCpuUs }) => nginxCpuUs),
    p99Ms: mean(({ p99Ms }) => p99Ms),
    clientBusy: mean(({ clientBusy }) => clientBusy),
  };
}

function writeReport(source: string | undefined, sides: readonly Side[], slices: ReadonlyMap<Side, Slice[]>): void {
  const pick = (side: Side, value: (slice: Slice) => number | undefined): number[] =>
    slices.get(side)!.flatMap((slice) => value(slice) ?? []);
  const cpu = (side: Side): number[] => pick(side, ({ instancesCpuUs }) => instancesCpuUs);
  const [direct, behind, apart, together] = sides as [Side, Side, Side, Side];
  const ratio = (side: Side, base: Side): number[] => cpu(base).map((time, round) => time / cpu(side)[round]!);
  const table = (title: string, unit: string, values: (side: Side) => number[], of = sides): Figure[] =>
    of.map((side) => ({ table: title, name: side.title, rounds: values(side), unit }));
  writeSection(
    'Reads from several instances',
    `${source === undefined ? 'Made-up' : 'Real'} conversations, ${CHATS.toLocaleString('en')} chats of ${MESSAGES_PER_CHAT} messages. ` +
      `\`GET /v1/chats/{chatId}/messages?limit=${PAGE_LIMIT}\` of random chats over ${CONNECTIONS} keep-alive connections; all caches are full, nginx ` +
      `is that of deploy/nginx. ${
        CORES_CAN_BE_CHOSEN
          ? 'Instances are on one core; nginx, the client, PostgreSQL and idle instances share the others. A core for each: one of the three after the other has it, and is asked for the chats that nginx sends to it, over all connections. '
          : 'Instances, nginx, client and PostgreSQL share the cores. '
      }What tells of several cores is the CPU time of an instance for a request: nginx and the client limit how many there are in a second.`,
    [
      ...[apart, together]
        .flatMap((several) => [
          { name: `${several.title} / ${behind.title}`, rounds: ratio(several, behind) },
          { name: `${several.title} / ${direct.title}`, rounds: ratio(several, direct) },
        ])
        .map((figure) => ({ ...figure, table: 'reads per second of the instances’ CPU time', unit: '' })),
      ...table('CPU time of the instances for a request', 'µs', cpu),
      ...table('CPU time of nginx for a request', 'µs', (side) => pick(side, ({ nginxCpuUs }) => nginxCpuUs), [
        behind,
        apart,
        together,
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
