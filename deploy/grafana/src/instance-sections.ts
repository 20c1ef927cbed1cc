import { graph, stat, type Section } from './panels.js';
import { API_ROUTES, hitRate, quantile, series, sumOfRates } from './queries.js';

const HTTP = 'scrollback_http_request_duration_seconds';
const GC = 'nodejs_gc_duration_seconds';

const start: Section = {
  title: 'Start',
  panels: [
    stat({
      title: 'Up for',
      description:
        'Time since the process started. If it is short and you have not restarted it, look for the cause in the log of the instance that ended, and at the memory limit.',
      unit: 's',
      queries: { age: `time() - ${series('process_start_time_seconds')}` },
      limits: { warn: 300, isLowBad: true },
    }),
    stat({
      title: 'Serves',
      description:
        '1 once warming lets readers in. If it stays 0 past CACHE_WARM_DEADLINE_MS: docs/runbooks/not-warm.md.',
      unit: 'none',
      queries: { serves: `sum(${series('scrollback_cache_warm_state', 'state=~"warm|behind|failed"')})` },
      limits: { act: 1, isLowBad: true },
    }),
    stat({
      title: 'Chats warmed',
      description:
        'Chats that warming has loaded, and those that it looks at. Less than all is normal when the budget is smaller than the data. If it stands still while the budget has room, look at the log: docs/runbooks/not-warm.md.',
      unit: 'short',
      queries: {
        loaded: series('scrollback_cache_warm_chats'),
        'looked at': series('scrollback_cache_warm_total_chats'),
      },
    }),
    stat({
      title: 'Warming took',
      description:
        'Time that warming has taken. If it is beyond CACHE_WARM_DEADLINE_MS (30 s unless set), the first readers came before it was done: raise the deadline, or look at the database.',
      unit: 's',
      queries: { time: series('scrollback_cache_warm_duration_seconds') },
      limits: { warn: 30 },
    }),
    stat({
      title: 'In doubt',
      description: '1 while it cannot confirm that what it holds is current. If it stays 1: docs/runbooks/in-doubt.md.',
      unit: 'none',
      queries: { doubt: series('scrollback_coherence_in_doubt') },
      limits: { act: 1 },
    }),
    stat({
      title: 'Divergence',
      description: 'Answers that contradicted the database. It must be 0; if it is not: docs/runbooks/divergence.md.',
      unit: 'short',
      queries: { answers: series('scrollback_cache_divergence_total') },
      limits: { act: 1 },
    }),
  ],
};

const processOf: Section = {
  title: 'Process',
  panels: [
    graph({
      title: 'CPU',
      description:
        'CPU time a second. One thread answers requests: if it stays near 1, the instance is at its limit; add an instance, or look at what it does with a CPU profile.',
      unit: 'percentunit',
      queries: {
        user: `rate(${series('process_cpu_user_seconds_total')}[$__rate_interval])`,
        system: `rate(${series('process_cpu_system_seconds_total')}[$__rate_interval])`,
      },
      limits: { warn: 0.8, act: 1 },
    }),
    graph({
      title: 'Memory',
      description:
        'Resident memory, V8’s heap, memory outside of it (blocks), the cache’s ledger and its budget. If resident memory goes beyond the budget and 320 MiB, something else grows: docs/runbooks/near-budget.md tells how to look.',
      unit: 'bytes',
      queries: {
        resident: series('process_resident_memory_bytes'),
        heap: series('nodejs_heap_size_used_bytes'),
        external: series('nodejs_external_memory_bytes'),
        cache: series('scrollback_cache_bytes'),
        budget: series('scrollback_cache_max_bytes'),
      },
    }),
    graph({
      title: 'Event-loop delay',
      description:
        'How late timers are, since the last scrape; 10 ms of it are the measurement’s own. Every request waits as long. If p99 goes beyond 100 ms, something holds the thread: long collections (below), huge answers, or too little CPU.',
      unit: 's',
      queries: {
        p50: series('nodejs_eventloop_lag_p50_seconds'),
        p99: series('nodejs_eventloop_lag_p99_seconds'),
        max: series('nodejs_eventloop_lag_max_seconds'),
      },
      limits: { warn: 0.05, act: 0.1 },
    }),
    graph({
      title: 'Time in garbage collection',
      description:
        'Part of the time that goes into collections, by kind. If it is above 5 %, the heap is short: what is not cached in blocks grows, or many large answers are made at once.',
      unit: 'percentunit',
      queries: { '{{kind}}': sumOfRates(`${GC}_sum`, { by: 'kind' }) },
      limits: { warn: 0.05, act: 0.2 },
    }),
    graph({
      title: 'Longest collections',
      description:
        'The 99th percentile of the pauses for collection. Every request waits as long. If it is above 100 ms, look at the heap beside the memory above.',
      unit: 's',
      queries: { p99: quantile(0.99, GC) },
      limits: { warn: 0.05, act: 0.1 },
    }),
    graph({
      title: 'Files and sockets in use',
      description:
        'Open files and sockets against the most there may be. If it comes near 1, connections are refused: raise the limit (ulimit -n), or look for clients that do not close.',
      unit: 'percentunit',
      queries: { used: `${series('process_open_fds')} / ${series('process_max_fds')}` },
      limits: { warn: 0.7, act: 0.9 },
    }),
  ],
};

const work: Section = {
  title: 'Work',
  panels: [
    graph({
      title: 'Requests by status',
      description:
        'Requests for the API. If this instance has errors that the others have not, take it out and read its log.',
      unit: 'reqps',
      queries: { '{{status}}': sumOfRates(`${HTTP}_count`, { by: 'status', matchers: API_ROUTES }) },
    }),
    graph({
      title: 'Time of requests',
      description:
        'Time of requests for the API. If it is above that of the other instances, compare CPU and event-loop delay.',
      unit: 's',
      queries: {
        p50: quantile(0.5, HTTP, { matchers: API_ROUTES }),
        p99: quantile(0.99, HTTP, { matchers: API_ROUTES }),
      },
      limits: { warn: 0.1, act: 1 },
    }),
    graph({
      title: 'Hit rate by what was read',
      description:
        'Hits among the reads that might have been. If it is below that of the other instances, it was started lately, or it gets chats that are others’ by the balancer: docs/scaling.md.',
      unit: 'percentunit',
      queries: { '{{cache}}': hitRate('cache') },
      limits: { warn: 0.9, act: 0.7, isLowBad: true },
      max: 1,
    }),
    graph({
      title: 'Held',
      description:
        'Chats and blocks held. If both fall at once, the cache was emptied: another database (a restore), or the mode was changed; the log tells.',
      unit: 'short',
      queries: { chats: series('scrollback_cache_chats'), blocks: series('scrollback_cache_blocks') },
    }),
    graph({
      title: 'Evictions and loads',
      description:
        'What left for want of room, and what was loaded. If both go on at the same rate, the budget is too small for what is read: docs/runbooks/near-budget.md.',
      unit: 'ops',
      queries: {
        evicted: sumOfRates('scrollback_cache_evictions_total', { matchers: 'cause="budget"' }),
        loaded: sumOfRates('scrollback_cache_loads_total'),
      },
    }),
    graph({
      title: 'Write queue',
      description:
        'Operations that wait for their commit, and how many may. If it grows without falling again: docs/runbooks/queue-full.md.',
      unit: 'short',
      queries: { waiting: series('scrollback_write_queue_length'), most: series('scrollback_write_queue_max') },
    }),
    graph({
      title: 'Refused at the door',
      description:
        'Requests and connections refused before any work was done for them; the requests by status have them not. If overload or connections go on: docs/runbooks/overloaded.md.',
      unit: 'reqps',
      queries: { '{{cause}}': sumOfRates('scrollback_http_refusals_total', { by: 'cause' }) },
    }),
    graph({
      title: 'Requests at work',
      description:
        'Requests that have begun and are not answered. If they come near MAX_REQUESTS_IN_FLIGHT (5000 unless set), further ones are refused: something that they wait for hangs, the database as a rule.',
      unit: 'short',
      queries: { 'at work': series('scrollback_http_requests_in_flight') },
      limits: { warn: 1000, act: 5000 },
    }),
    graph({
      title: 'Cache off or in the shadow',
      description:
        '1 while the database answers every read. If it stays 1 and nobody is at work on it: docs/runbooks/cache-off.md.',
      unit: 'none',
      queries: { '{{state}}': series('scrollback_cache_mode', 'state!="on"') },
      limits: { warn: 1 },
      max: 1,
    }),
  ],
};

/** One instance in detail. */
export const instanceSections: readonly Section[] = [start, processOf, work];
