import { graph, stat, type Section } from './panels.js';
import { API_ROUTES, errorRate, hitRate, overloadRate, quantile, rate, series, sumOfRates } from './queries.js';

const HTTP = 'scrollback_http_request_duration_seconds';
const LOADS = 'scrollback_cache_load_duration_seconds';
const WRITES = 'scrollback_write_duration_seconds';
const MIB = 2 ** 20;

const present: Section = {
  title: 'Now',
  panels: [
    stat({
      title: 'Instances that answer',
      description:
        'Instances that Prometheus reaches. If it is below what you run, look at the missing one: docs/runbooks/instance-down.md.',
      unit: 'short',
      queries: { instances: `sum(${series('up')})` },
      limits: { act: 1, isLowBad: true },
    }),
    stat({
      title: 'Instances that serve',
      description:
        'Instances past their start: warm, or warming behind readers. If it stays below those that answer: docs/runbooks/not-warm.md.',
      unit: 'short',
      queries: { instances: `sum(${series('scrollback_cache_warm_state', 'state=~"warm|behind|failed"')})` },
      limits: { act: 1, isLowBad: true },
    }),
    stat({
      title: 'Hit rate',
      description:
        'Reads answered from memory among those that might have been. If it falls and stays low: docs/runbooks/hit-rate-collapse.md.',
      unit: 'percentunit',
      queries: { hits: hitRate() },
      limits: { warn: 0.9, act: 0.7, isLowBad: true },
      max: 1,
    }),
    stat({
      title: 'Errors',
      description:
        'Answers of 5xx among those of the API, and what was refused at the door for want of strength among all that came, which is not in the first. If one is above 1 %: docs/runbooks/error-rate.md, docs/runbooks/overloaded.md. The instances’ logs have the causes.',
      unit: 'percentunit',
      queries: { errors: errorRate(), refused: overloadRate() },
      limits: { warn: 0.001, act: 0.01 },
    }),
    stat({
      title: 'In doubt',
      description:
        'Instances that cannot confirm that what they hold is current. If it is not 0: docs/runbooks/in-doubt.md.',
      unit: 'short',
      queries: { instances: `sum(${series('scrollback_coherence_in_doubt')})` },
      limits: { act: 1 },
    }),
    stat({
      title: 'Divergence',
      description:
        'Answers of the caches that contradicted the database, since their start. It must be 0; if it is not: docs/runbooks/divergence.md.',
      unit: 'short',
      queries: { answers: `sum(${series('scrollback_cache_divergence_total')})` },
      limits: { act: 1 },
    }),
  ],
};

const cache: Section = {
  title: 'Cache',
  panels: [
    graph({
      title: 'Hit rate by what was read',
      description:
        'Hits among the reads that might have been. It falls after a start and comes back within minutes. If messages alone are low, people read old history; if all are low, compare with the memory and the evictions beside it, then docs/runbooks/hit-rate-collapse.md.',
      unit: 'percentunit',
      queries: { '{{cache}}': hitRate('cache') },
      limits: { warn: 0.9, act: 0.7, isLowBad: true },
      max: 1,
    }),
    graph({
      title: 'Budget in use',
      description:
        'Bytes held against CACHE_MAX_BYTES. A full cache is normal. If it is full, evicts all the time and the hit rate is low, raise CACHE_MAX_BYTES: docs/runbooks/near-budget.md.',
      unit: 'percentunit',
      queries: {
        '{{instance}}': `${series('scrollback_cache_bytes')} / ${series('scrollback_cache_max_bytes')}`,
      },
      limits: { warn: 0.95 },
      max: 1,
    }),
    graph({
      title: 'Memory beyond the cache',
      description:
        'Resident memory without what the cache’s ledger counts. If it goes beyond 320 MiB and keeps growing, the limit of the container is in danger: keep a heap snapshot and report it, then restart the instance.',
      unit: 'bytes',
      queries: {
        '{{instance}}': `${series('process_resident_memory_bytes')} - ${series('scrollback_cache_bytes')}`,
      },
      limits: { warn: 320 * MIB },
    }),
    graph({
      title: 'Reads',
      description:
        'Reads by how they were answered. If stale ones appear, see the dashboard Coherence; bypass means that the cache is off or in the shadow: docs/runbooks/cache-off.md.',
      unit: 'reqps',
      queries: { '{{result}}': sumOfRates('scrollback_cache_requests_total', { by: 'result' }) },
    }),
    graph({
      title: 'Evictions',
      description:
        'What left the cache, by cause. If budget goes on at a high rate while the hit rate is low, the budget is too small; if invalidated does, see repairs on the dashboard Coherence.',
      unit: 'cps',
      queries: { '{{cause}}': sumOfRates('scrollback_cache_evictions_total', { by: 'cause' }) },
    }),
    graph({
      title: 'Time of loads',
      description:
        'Time of one load from the database. If the 99th percentile grows while the rate of loads does not, look at the database: slow disk, locks, plans.',
      unit: 's',
      queries: { p50: quantile(0.5, LOADS), p99: quantile(0.99, LOADS) },
      limits: { warn: 0.1, act: 1 },
    }),
  ],
};

const requests: Section = {
  title: 'Requests',
  panels: [
    graph({
      title: 'Requests by status',
      description:
        'Requests for the API. If 503 appears, its code tells why: docs/errors.md; if 429 or 4xx grow, look at who calls.',
      unit: 'reqps',
      queries: { '{{status}}': sumOfRates(`${HTTP}_count`, { by: 'status', matchers: API_ROUTES }) },
    }),
    graph({
      title: 'Refused at the door',
      description:
        'Requests and connections refused before any work was done for them. If rate goes on, find the caller that floods (429) or raise RATE_LIMIT_MAX; if overload or connections do: docs/runbooks/overloaded.md. They are not in the requests by status, but for few of rate.',
      unit: 'reqps',
      queries: { '{{cause}}': sumOfRates('scrollback_http_refusals_total', { by: 'cause' }) },
    }),
    graph({
      title: 'Time of requests',
      description:
        'Half of the requests take at most p50, all but one in a hundred at most p99. If p99 grows: with the write path, look there; with event-loop delay (dashboard Instance), the process is short of CPU; with loads, the database.',
      unit: 's',
      queries: {
        p50: quantile(0.5, HTTP, { matchers: API_ROUTES }),
        p99: quantile(0.99, HTTP, { matchers: API_ROUTES }),
      },
      limits: { warn: 0.1, act: 1 },
    }),
    graph({
      title: 'p99 of the slowest routes',
      description:
        'The 99th percentile of the five slowest routes. If one alone is slow, it is what that route does; if all are, it is the process or the database.',
      unit: 's',
      queries: {
        '{{method}} {{route}}': `topk(5, ${quantile(0.99, HTTP, { by: 'method, route', matchers: API_ROUTES })})`,
      },
      limits: { warn: 0.1, act: 1 },
    }),
  ],
};

const writes: Section = {
  title: 'Write path',
  panels: [
    graph({
      title: 'Operations and commits',
      description:
        'Operations committed, and transactions that carried them. More operations in each commit is how load is borne. If operations fall while the queue grows, the database does not keep up: docs/runbooks/queue-full.md.',
      unit: 'ops',
      queries: {
        operations: sumOfRates('scrollback_write_batch_size_sum'),
        commits: sumOfRates('scrollback_write_batch_size_count'),
        refused: sumOfRates('scrollback_write_refusals_total'),
      },
    }),
    graph({
      title: 'Time of a commit',
      description:
        'Time of one transaction of the write path, of whatever size. If p99 grows with small batches, look at the disk of the database (fsync) and at locks that others hold.',
      unit: 's',
      queries: { p50: quantile(0.5, WRITES), p99: quantile(0.99, WRITES) },
      limits: { warn: 0.1, act: 1 },
    }),
    graph({
      title: 'Write queue in use',
      description:
        'Operations that wait, against WRITE_QUEUE_MAX. Normal is near 0. If it stays above 80 %, writes are about to be refused with 503: docs/runbooks/queue-full.md.',
      unit: 'percentunit',
      queries: {
        '{{instance}}': `${series('scrollback_write_queue_length')} / ${series('scrollback_write_queue_max')}`,
      },
      limits: { warn: 0.5, act: 0.8 },
      max: 1,
    }),
    graph({
      title: 'Operations in a commit',
      description:
        'Mean number of operations in a transaction. Near 1 the system is idle. If it stays near 512, the largest there is, the write path is at its limit: spread the chats over more instances.',
      unit: 'short',
      queries: {
        mean: `${sumOfRates('scrollback_write_batch_size_sum')} / ${sumOfRates('scrollback_write_batch_size_count')}`,
        p99: quantile(0.99, 'scrollback_write_batch_size'),
      },
      limits: { warn: 400 },
    }),
    graph({
      title: 'Statements',
      description:
        'Statements sent to the database, by why. Reads follow misses, writes follow commits. If coherence rises far above one poll a second for each instance, see the dashboard Coherence.',
      unit: 'ops',
      queries: { '{{path}}': sumOfRates('scrollback_database_queries_total', { by: 'path' }) },
    }),
    graph({
      title: 'Failed loads',
      description:
        'Loads that the database did not answer, against all. If it is not 0, the database is away, slow or full of connections: check it, and docs/runbooks/error-rate.md.',
      unit: 'percentunit',
      queries: {
        failed: `sum(${rate('scrollback_cache_loads_total', 'result="failed"')}) / sum(${rate('scrollback_cache_loads_total')})`,
      },
      limits: { warn: 0.001, act: 0.01 },
    }),
  ],
};

/** How all instances together are doing. */
export const overviewSections: readonly Section[] = [present, cache, requests, writes];
