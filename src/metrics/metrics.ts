import { Inject, Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics, type Metric } from 'prom-client';
import { CACHE_MODES } from '../cache/cache-options.js';
import { CacheState } from '../cache/cache-state.js';
import { CACHE_FAMILIES, CACHE_RESULTS, CacheStats, LOAD_RESULTS } from '../cache/cache-stats.js';
import { CoherenceStats } from '../cache/coherence/coherence-stats.js';
import { WARM_STATES, Warmer } from '../cache/lifecycle/warmer.js';
import { Database } from '../storage/database.js';
import { GroupCommit } from '../storage/write/group-commit.js';
import { REFUSAL_CAUSES, RequestLimits } from '../limits/request-limits.js';
import { RequestTimes } from './request-times.js';

/** Bounds in seconds. A cache's answers take less than a millisecond, so the bounds begin well below. */
const SECONDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Bounds in seconds, from a bus on the same host to a poll. */
const LAG_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What V8 calls its kinds of collection, as prom-client labels them. */
const GC_KINDS = ['major', 'minor', 'incremental', 'weakcb'];

const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/**
 * The Prometheus metrics of one instance. Whatever is counted elsewhere is read when it is scraped, so that a hit pays for
 * nothing but its own counter; labels come from closed lists.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly #http = new RequestTimes(SECONDS);

  constructor(
    @Inject(CacheState) private readonly state: CacheState,
    @Inject(CacheStats) private readonly stats: CacheStats,
    @Inject(CoherenceStats) private readonly coherence: CoherenceStats,
    @Inject(Warmer) private readonly warmer: Warmer,
    @Inject(Database) private readonly database: Database,
    @Inject(GroupCommit) private readonly commit: GroupCommit,
    @Inject(RequestLimits) private readonly limits: RequestLimits,
  ) {
    collectDefaultMetrics({ register: this.registry });
    // From the start, so that what asks for the rate of a kind that has not happened yet gets 0 and not nothing.
    const collections = this.registry.getSingleMetric('nodejs_gc_duration_seconds') as Histogram<'kind'> | undefined;
    for (const kind of GC_KINDS) collections?.zero({ kind });
    this.registry.registerMetric(this.#http as unknown as Metric);
    this.#exposeCache();
    this.#exposeCoherence();
    this.#exposeStorage();
    this.#exposeLimits();
  }

  /** Notes an answered request. `route` is the route's pattern, never the URL. */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    this.#http.observe(method, route, status, seconds);
  }

  #exposeLimits(): void {
    const { refusals, shedder } = this.limits;
    this.#counter('http_refusals_total', 'Requests and connections refused at the door, by why.', ['cause'], (set) => {
      for (const cause of REFUSAL_CAUSES) set({ cause }, refusals[cause]);
    });
    this.#gauge(
      'http_requests_in_flight',
      'Requests at work, those answered at once from memory not among them.',
      () => {
        return shedder.inFlight;
      },
    );
  }

  #exposeCache(): void {
    const { state, stats, warmer } = this;
    this.#counter(
      'cache_requests_total',
      'Reads by what they were of and how they were answered.',
      ['cache', 'result'],
      (set) => {
        for (const cache of CACHE_FAMILIES) {
          for (const result of CACHE_RESULTS) set({ cache, result }, stats.requests(cache)[result]);
        }
      },
    );
    this.#states(
      'cache_mode',
      'How the cache is used: 1 for the mode it is in, else 0.',
      CACHE_MODES,
      () => state.mode,
    );
    this.#gauge('cache_bytes', 'Bytes that the cache holds, overhead included.', () => state.store.bytes);
    this.#gauge('cache_max_bytes', 'Bytes that the cache may hold.', () => state.store.maxBytes);
    this.#gauge('cache_chats', 'Chats held.', () => state.store.chatCount);
    this.#gauge('cache_blocks', 'Message blocks held.', () => state.store.blockCount);
    this.#counter('cache_evictions_total', 'Entries and blocks that left the cache, by cause.', ['cause'], (set) => {
      for (const [cause, count] of Object.entries(state.store.removals)) set({ cause }, count);
    });
    this.#counter('cache_loads_total', 'Loads from the database, by result.', ['result'], (set) => {
      for (const result of LOAD_RESULTS) set({ result }, stats.loads[result]);
    });
    const loads = new Histogram({
      name: 'scrollback_cache_load_duration_seconds',
      help: 'Time of one load from the database.',
      buckets: SECONDS,
      registers: [this.registry],
    });
    stats.observe({ onLoad: (_result, seconds) => loads.observe(seconds) });
    this.#counter(
      'cache_divergence_total',
      'Answers of the cache that contradicted the database. Must stay 0.',
      [],
      (set) => set({}, stats.divergence),
    );
    this.#states('cache_warm_state', 'Where warming stands: 1 for the state it is in, else 0.', WARM_STATES, () => {
      return warmer.status.state;
    });
    this.#gauge('cache_warm_total_chats', 'Chats that warming looks at.', () => warmer.status.totalChats);
    this.#gauge('cache_warm_chats', 'Chats that warming has loaded.', () => warmer.status.chats);
    this.#gauge('cache_warm_messages', 'Messages that warming has loaded.', () => warmer.status.messages);
    this.#gauge('cache_warm_duration_seconds', 'Time that warming has taken.', () => warmer.status.seconds);
  }

  #exposeCoherence(): void {
    const { state, coherence } = this;
    this.#gauge(
      'coherence_last_confirmed_seconds',
      'Time since the cache was last known to be up to date with the database; before the first time, the age of the process.',
      () => (state.lease.lastConfirmedMs ?? process.uptime() * 1000) / 1000,
    );
    this.#gauge(
      'coherence_staleness_bound_seconds',
      'After this time without confirmation what is held is in doubt.',
      () => state.lease.boundMs / 1000,
    );
    this.#gauge('coherence_in_doubt', '1 while what is held cannot be told to be current, else 0.', () =>
      state.lease.isInDoubt ? 1 : 0,
    );
    this.#counter(
      'coherence_repairs_total',
      'Entries brought up to date by a query, by how it became known that they were behind.',
      ['cause'],
      (set) => {
        for (const [cause, count] of Object.entries(coherence.repairs)) set({ cause }, count);
      },
    );
    const lags = new Histogram({
      name: 'scrollback_coherence_apply_lag_seconds',
      help: 'Time from the publishing of a change by a peer to its applying here.',
      buckets: LAG_SECONDS,
      registers: [this.registry],
    });
    coherence.observe({ onApplied: (seconds) => lags.observe(seconds) });
  }

  #exposeStorage(): void {
    const { database, commit } = this;
    this.#counter('database_queries_total', 'Statements sent to the database, by why.', ['path'], (set) => {
      for (const [path, count] of Object.entries(database.counts)) set({ path }, count);
    });
    this.#gauge('write_queue_length', 'Operations that wait for their commit.', () => commit.status.queueLength);
    this.#gauge('write_queue_max', 'Operations that may wait before more are refused.', () => commit.status.queueMax);
    this.#counter('write_refusals_total', 'Operations refused because too many waited for their commit.', [], (set) =>
      set({}, commit.status.refusals),
    );
    const sizes = new Histogram({
      name: 'scrollback_write_batch_size',
      help: 'Operations committed by one transaction.',
      buckets: BATCH_SIZES,
      registers: [this.registry],
    });
    const durations = new Histogram({
      name: 'scrollback_write_duration_seconds',
      help: 'Time of one transaction of the write path.',
      buckets: SECONDS,
      registers: [this.registry],
    });
    commit.observe({
      onBatch: (size, seconds) => {
        sizes.observe(size);
        durations.observe(seconds);
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `scrollback_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** One of several states: a gauge for each. */
  #states(name: string, help: string, states: readonly string[], read: () => string): void {
    new Gauge({
      name: `scrollback_${name}`,
      help,
      labelNames: ['state'],
      registers: [this.registry],
      collect() {
        const present = read();
        for (const state of states) this.set({ state }, state === present ? 1 : 0);
      },
    });
  }

  /** A counter that is kept elsewhere: at a scrape it is set to what it is there. */
  #counter<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    read: (set: (labels: Record<Label, string>, value: number) => void) => void,
  ): void {
    new Counter({
      name: `scrollback_${name}`,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        read((labels, value) => this.inc(labels, value));
      },
    });
  }
}
