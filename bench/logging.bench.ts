import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { requestIdOf, traceIdOf } from '../src/common/request-id.js';
import { isTracing } from '../src/common/tracing.js';
import { BenchDatabase } from './bench-database.js';
import { LoadGenerator } from './load/load-generator.js';
import type { LoadReport } from './load/load-process.js';
import { writeSection, type Figure } from './report.js';
import { ServerProcess } from './server-process.js';

const CHATS = 200;
const MESSAGES_PER_CHAT = 60;
const CONNECTIONS = 16;
const ROUNDS = 7;
const WARM_UP_MS = 300;
/** Before the first round, so that every side's code is compiled and its cache full. */
const FIRST_WARM_UP_MS = 2000;
const MEASURED_MS = 2000;
const CALLS = 2_000_000;

const SCROLLBACK = fileURLToPath(new URL('../../bin/scrollback.mjs', import.meta.url));

/** What is compared, by what each adds to the environment. */
const SIDES = {
  plain: { title: 'slow requests and statements not told', more: { LOG_SLOW_REQUEST_MS: '0', LOG_SLOW_SQL_MS: '0' } },
  told: { title: 'told (the default)', more: {} },
  unsampled: { title: 'traced, none sampled', more: { OTEL_TRACES_SAMPLER: 'always_off' } },
  traced: { title: 'traced, all sampled', more: {} },
} as const;

type SideName = keyof typeof SIDES;

const NAMES = Object.keys(SIDES) as SideName[];

const REQUESTS = {
  'a page from memory, the fast way': (chatId: string) => `/v1/chats/${chatId}/messages?limit=20`,
  'a chat from memory, through the framework': (chatId: string) => `/v1/chats/${chatId}`,
} as const;

type RequestName = keyof typeof REQUESTS;

type Reports = Record<RequestName, Record<SideName, LoadReport[]>>;

/** What ids, telling of what is slow, and tracing cost one that is answered from memory. A minute or two. */
export async function benchLogging(): Promise<void> {
  const parts = measureParts();
  const database = await BenchDatabase.start(undefined, { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT });
  const collector = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const load = new LoadGenerator();
  const servers = new Map<SideName, ServerProcess>();
  try {
    for (const side of NAMES) {
      const isTraced = side === 'traced' || side === 'unsampled';
      const settings = {
        DATABASE_URL: database.url,
        PORT: '0',
        LOG_LEVEL: 'info',
        ...SIDES[side].more,
        ...(isTraced ? { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } : {}),
      };
      servers.set(side, await ServerProcess.start([SCROLLBACK, 'serve'], settings));
    }
    writeReport(parts, await measure(servers, load, database.chatIds));
  } finally {
    load.stop();
    for (const server of servers.values()) await server.stop();
    collector.close();
    collector.closeAllConnections();
    await database.stop();
  }
}

/** What the parts take by themselves, in nanoseconds. */
function measureParts(): Figure[] {
  const brought = { 'x-request-id': 'b1946ac9-2f3c-4c1e-9f0e-000000000000' };
  const parent = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  const none = { host: '127.0.0.1' };
  let kept = 0;
  const parts: Readonly<Record<string, () => void>> = {
    'an id is made': () => (kept += requestIdOf(none).length),
    'an id that is brought is checked': () => (kept += requestIdOf(brought).length),
    'a trace id is read, for a line of the log': () => (kept += traceIdOf(parent)!.length),
    'whether anybody traces is asked': () => (kept += isTracing() ? 1 : 0),
  };
  const rounds = Object.fromEntries(Object.keys(parts).map((name) => [name, [] as number[]]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, part] of Object.entries(parts)) {
      const startedNs = process.hrtime.bigint();
      for (let call = 0; call < CALLS; call++) part();
      rounds[name]!.push(Number(process.hrtime.bigint() - startedNs) / CALLS);
    }
  }
  if (kept === 0) throw new Error('Nothing was measured.');
  return Object.entries(rounds).map(([name, each]) => ({ table: 'by itself', name, rounds: each, unit: 'ns' }));
}

async function measure(
  servers: ReadonlyMap<SideName, ServerProcess>,
  load: LoadGenerator,
  chatIds: readonly string[],
): Promise<Reports> {
  const kinds = Object.keys(REQUESTS) as RequestName[];
  const reports = Object.fromEntries(
    kinds.map((kind) => [kind, Object.fromEntries(NAMES.map((side) => [side, [] as LoadReport[]]))]),
  ) as Reports;
  const slice = (kind: RequestName, side: SideName, warmUpMs: number, seed: number): Promise<LoadReport> => {
    const { port, pid: serverPid } = servers.get(side)!;
    const requests = chatIds.map((chatId) => `GET ${REQUESTS[kind](chatId)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    const measuredMs = MEASURED_MS;
    return load.run({ port, serverPid, requests, connections: CONNECTIONS, warmUpMs, measuredMs, seed });
  };
  for (const kind of kinds) {
    for (const side of NAMES) await slice(kind, side, FIRST_WARM_UP_MS, 0);
    for (let round = 1; round <= ROUNDS; round++) {
      const first = round % NAMES.length;
      for (const side of [...NAMES.slice(first), ...NAMES.slice(0, first)]) {
        const report = await slice(kind, side, WARM_UP_MS, round);
        reports[kind][side].push(report);
        process.stderr.write(
          `round ${round}: ${kind}: ${SIDES[side].title}: ${Math.round(report.requestsPerSecond)} req/s, ` +
            `${report.serverCpuUs?.toFixed(1)} µs\n`,
        );
      }
    }
  }
  return reports;
}

function writeReport(parts: readonly Figure[], reports: Reports): void {
  const kinds = Object.keys(REQUESTS) as RequestName[];
  writeSection(
    'Request ids, slow lines, traces',
    'What it costs a request that is answered from memory that it has an id, that slow requests and statements are told, and that it is ' +
      'traced. CPU time is that of the instance, export included; the collector takes everything and keeps nothing.',
    [
      ...parts,
      ...kinds.flatMap((kind) =>
        NAMES.map((side) => ({
          table: `CPU time of ${kind}`,
          name: SIDES[side].title,
          rounds: reports[kind][side].flatMap(({ serverCpuUs }) => serverCpuUs ?? []),
          unit: 'µs',
        })),
      ),
    ].filter(({ rounds }) => rounds.length > 0),
  );
}
