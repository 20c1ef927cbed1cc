import { Histogram, Registry, collectDefaultMetrics, type Metric } from 'prom-client';
import { CacheStats } from '../src/cache/cache-stats.js';
import { RequestTimes } from '../src/metrics/request-times.js';
import { writeSection, type Figure } from './report.js';

const ROUNDS = 7;
const CALLS = 2_000_000;
/** prom-client's are slow; fewer of them tell as much. */
const LIBRARY_CALLS = 200_000;
const SCRAPES = 50;

const BOUNDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const ROUTES = [
  '/v1/chats/:chatId',
  '/v1/chats/:chatId/messages',
  '/v1/chats/:chatId/participants',
  '/v1/users/:userId/chats',
];
const STATUSES = [200, 201, 204, 304, 400, 404, 409, 503];

/** What counting a request costs it, and what a scrape costs the process. Takes a few seconds. */
export async function benchMetrics(): Promise<void> {
  const stats = new CacheStats();
  const times = new RequestTimes(BOUNDS);
  const library = new Histogram({
    name: 'library_seconds',
    help: 'The same by prom-client.',
    buckets: BOUNDS,
    labelNames: ['method', 'route', 'status'],
    registers: [],
  });
  const secondsOf = (index: number): number => 0.0002 + (index & 7) * 0.0001;
  const routeOf = (index: number): string => ROUTES[index & 3]!;
  const hit = (): void => stats.count('messages', 'hit');
  const request = (index: number): void => times.observe('GET', routeOf(index), 200, secondsOf(index));
  const byLibrary = (index: number): void =>
    library.observe({ method: 'GET', route: routeOf(index), status: 200 }, secondsOf(index));
  const rounds: Record<'hit' | 'request' | 'library' | 'scrape', number[]> = {
    hit: [],
    request: [],
    library: [],
    scrape: [],
  };
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registry.registerMetric(times as unknown as Metric);
  for (const route of ROUTES) for (const status of STATUSES) times.observe('GET', route, status, 0.001);
  for (let round = 0; round < ROUNDS; round++) {
    rounds.hit.push(nanoseconds(hit, CALLS));
    rounds.request.push(nanoseconds(request, CALLS));
    rounds.library.push(nanoseconds(byLibrary, LIBRARY_CALLS));
    const startedMs = performance.now();
    for (let scrape = 0; scrape < SCRAPES; scrape++) await registry.metrics();
    rounds.scrape.push((performance.now() - startedMs) / SCRAPES);
  }
  const figures: Figure[] = [
    { name: 'a hit is counted', rounds: rounds.hit, unit: 'ns' },
    { name: 'a request’s time is counted', rounds: rounds.request, unit: 'ns' },
    { name: 'the same by the histogram of prom-client', rounds: rounds.library, unit: 'ns' },
    { name: `a scrape with ${ROUTES.length * STATUSES.length} series of requests`, rounds: rounds.scrape, unit: 'ms' },
  ];
  writeSection(
    'Metrics',
    'What counting costs a request that is answered from memory: the first two lines together. Everything else is read at a scrape.',
    figures,
  );
}

function nanoseconds(call: (index: number) => void, calls: number): number {
  const startedNs = process.hrtime.bigint();
  for (let index = 0; index < calls; index++) call(index);
  return Number(process.hrtime.bigint() - startedNs) / calls;
}
