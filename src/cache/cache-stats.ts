import { Injectable } from '@nestjs/common';
import { traced } from '../common/tracing.js';

/** What a read was of; the `cache` label of `scrollback_cache_requests_total`. */
export type CacheFamily = 'chat' | 'messages' | 'participants' | 'inbox';

/** Every {@link CacheFamily}. */
export const CACHE_FAMILIES = ['chat', 'messages', 'participants', 'inbox'] as const satisfies readonly CacheFamily[];

/** How a read was answered; the `result` label of `scrollback_cache_requests_total`. */
export type CacheResult = 'hit' | 'miss' | 'stale' | 'bypass';

/** Every {@link CacheResult}. */
export const CACHE_RESULTS = ['hit', 'miss', 'stale', 'bypass'] as const satisfies readonly CacheResult[];

/** How a load from the database ended; the `result` label of `scrollback_cache_loads_total`. */
export type LoadResult = 'ok' | 'failed';

/** Every {@link LoadResult}. */
export const LOAD_RESULTS = ['ok', 'failed'] as const satisfies readonly LoadResult[];

/** Told of every load; the metrics listen. */
export interface LoadObserver {
  onLoad(result: LoadResult, seconds: number): void;
}

/**
 * Counts what the cache does, in plain numbers: a hit costs one addition. The metrics read them when they are scraped.
 */
@Injectable()
export class CacheStats {
  readonly #requests = new Map<CacheFamily, Record<CacheResult, number>>(
    CACHE_FAMILIES.map((family) => [family, { hit: 0, miss: 0, stale: 0, bypass: 0 }]),
  );
  readonly #loads: Record<LoadResult, number> = { ok: 0, failed: 0 };
  readonly #observers: LoadObserver[] = [];
  #divergence = 0;

  /** Counts a read. */
  count(family: CacheFamily, result: CacheResult): void {
    this.#requests.get(family)![result]++;
  }

  /** Runs a load, and counts how it ends and how long it takes. Gives or throws what it does. */
  async measureLoad<T>(load: () => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    let result: LoadResult = 'failed';
    try {
      const loaded = await traced('cache fill', load);
      result = 'ok';
      return loaded;
    } finally {
      this.#loads[result]++;
      const seconds = (performance.now() - startedMs) / 1000;
      for (const observer of this.#observers) observer.onLoad(result, seconds);
    }
  }

  /** Counts an answer of the cache that contradicts the database. */
  countDivergence(): void {
    this.#divergence++;
  }

  /** Answers that contradicted the database. Must stay 0. */
  get divergence(): number {
    return this.#divergence;
  }

  /** Adds an observer for the life of the application. */
  observe(observer: LoadObserver): void {
    this.#observers.push(observer);
  }

  /** Reads of a family so far, by result. */
  requests(family: CacheFamily): Readonly<Record<CacheResult, number>> {
    return this.#requests.get(family)!;
  }

  /** Loads so far, by result. */
  get loads(): Readonly<Record<LoadResult, number>> {
    return this.#loads;
  }

  /** Hits among all reads of a family that might have been hits, 0 to 1; `null` before the first. */
  hitRate(family: CacheFamily): number | null {
    const { hit, miss, stale } = this.requests(family);
    const all = hit + miss + stale;
    return all === 0 ? null : hit / all;
  }
}
