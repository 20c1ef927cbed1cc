import { SIDE_TITLES } from './peers/sides.js';
import { writeSection, type Figure } from './report.js';
import { alternate, ratiosToFirst, tablesOf } from './writes/alternate.js';
import type { HttpSenders, HttpSide, HttpSlice } from './writes/http-senders.js';
import { sendRequests } from './writes/send-requests.js';
import type { WriteBench } from './writes/write-bench.js';

const ROUNDS = 5;
const WARM_UP_MS = 600;
const MEASURED_MS = 4000;
/** A backend or two, and the connections of many: the more wait at once, the larger the batches that both sides' database sees. */
const CONNECTIONS = [64, 128, 512] as const;
const REQUESTS = 10_000;

/** Sends over HTTP, as fast as they are acknowledged, against what teams write otherwise. */
export async function benchWritesOverHttp(bench: WriteBench, senders: HttpSenders): Promise<void> {
  for (const connections of CONNECTIONS) await benchConnections(bench, senders, connections);
}

async function benchConnections(bench: WriteBench, senders: HttpSenders, connections: number): Promise<void> {
  const requests = sendRequests(REQUESTS, { ...bench, chatIds: bench.database.chatIds });
  const order = { requests, connections, warmUpMs: WARM_UP_MS, measuredMs: MEASURED_MS };
  const side = (name: HttpSide) => ({
    title: SIDE_TITLES[name],
    run: (seed: number): Promise<HttpSlice> => senders.run(name, { ...order, seed }),
  });
  const sides = { scrollback: side('scrollback'), plain: side('plain') };
  const slices = await alternate(bench.database, sides, ROUNDS);
  const cpuTimes = (name: HttpSide): number[] => slices[name].flatMap(({ serverCpuUs }) => serverCpuUs ?? []);
  const cpu: Figure[] = (['scrollback', 'plain'] as const).map((name) => ({
    table: 'CPU time for a message, without that of PostgreSQL',
    name: SIDE_TITLES[name],
    rounds: cpuTimes(name),
    unit: 'µs',
  }));
  const busiest = Math.max(...[...slices.scrollback, ...slices.plain].map(({ clientBusy }) => clientBusy));
  writeSection(
    connections === CONNECTIONS[0] ? 'Writes over HTTP' : `Writes over HTTP, ${connections} connections`,
    `\`POST /v1/chats/{chatId}/messages\` over ${connections} keep-alive connections, one message at a time on each. ${bench.about} ` +
      'The server that is measured has a core of its own; the client and PostgreSQL share the others. The client was busy at most ' +
      `${Math.round(busiest * 100)} % of a core's time.`,
    [
      ...ratiosToFirst('Scrollback’s messages per second / those of', sides, slices),
      ...tablesOf(sides, slices),
      ...cpu.filter(({ rounds }) => rounds.length > 0),
    ],
  );
}
