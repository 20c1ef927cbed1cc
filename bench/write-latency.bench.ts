import { SIDE_TITLES } from './peers/sides.js';
import { writeSection, type Figure } from './report.js';
import { alternate } from './writes/alternate.js';
import type { HttpSenders, HttpSide, HttpSlice } from './writes/http-senders.js';
import { sendRequests } from './writes/send-requests.js';
import type { WriteBench } from './writes/write-bench.js';

const ROUNDS = 5;
const USERS = 1000;
const RATE_PER_SECOND = 200;
const WARM_UP_MS = 1000;
const MEASURED_MS = 10_000;
const REQUESTS = 10_000;

/** How long a send takes when many are connected and each sends now and then. */
export async function benchWriteLatency(bench: WriteBench, senders: HttpSenders): Promise<void> {
  const requests = sendRequests(REQUESTS, { ...bench, chatIds: bench.database.chatIds });
  const order = {
    requests,
    connections: USERS,
    ratePerSecond: RATE_PER_SECOND,
    warmUpMs: WARM_UP_MS,
    measuredMs: MEASURED_MS,
  };
  const side = (name: HttpSide) => ({
    title: SIDE_TITLES[name],
    run: (seed: number): Promise<HttpSlice> => senders.run(name, { ...order, seed }),
  });
  const sides = { scrollback: side('scrollback'), plain: side('plain') };
  const slices = await alternate(bench.database, sides, ROUNDS);
  const table = (title: string, pick: (slice: HttpSlice) => number): Figure[] =>
    (['scrollback', 'plain'] as const).map((name) => ({
      table: title,
      name: SIDE_TITLES[name],
      rounds: slices[name].map(pick),
      unit: 'ms',
    }));
  writeSection(
    'Time of a send',
    `${USERS.toLocaleString('en')} users on keep-alive connections of their own send ${RATE_PER_SECOND} messages a second in all, at ` +
      `random times (Poisson), ${MEASURED_MS / 1000} s a round. A send's time begins when it was to be sent, so that the client's own lateness ` +
      `and what waits behind a slow answer are in it, and ends with the answer: by then it is durable. ${bench.about}`,
    [
      ...table('time to the acknowledgement, p50', ({ p50Ms }) => p50Ms),
      ...table('time to the acknowledgement, p99', ({ p99Ms }) => p99Ms),
      ...table('time to the acknowledgement, longest', ({ maxMs }) => maxMs),
    ],
  );
}
