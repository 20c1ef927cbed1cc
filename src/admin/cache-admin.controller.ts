import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { CacheState } from '../cache/cache-state.js';
import { CACHE_FAMILIES, CacheStats, type CacheFamily } from '../cache/cache-stats.js';
import { Poller } from '../cache/coherence/poller.js';

/** The cache as its operators see it. */
export interface CacheReport {
  readonly mode: string;
  readonly policy: string;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly chats: number;
  readonly blocks: number;
  /** 0 to 1 by what was read; `null` before the first read. */
  readonly hitRate: Readonly<Record<CacheFamily, number | null>>;
  readonly evictions: number;
  readonly loads: number;
  readonly coherence: { readonly bus: 'none'; readonly lastConfirmedMs: number | null };
}

/** What operators ask and tell the cache. */
@ApiExcludeController()
@Controller('v1/admin/cache')
export class CacheAdminController {
  constructor(
    private readonly state: CacheState,
    private readonly stats: CacheStats,
    private readonly poller: Poller,
  ) {}

  @Get()
  report(): CacheReport {
    const { store, mode } = this.state;
    const { lastConfirmedMs } = this.poller;
    return {
      mode,
      policy: 'lru',
      bytes: store.bytes,
      maxBytes: store.maxBytes,
      chats: store.chatCount,
      blocks: store.blockCount,
      hitRate: Object.fromEntries(
        CACHE_FAMILIES.map((family) => [family, this.stats.hitRate(family)]),
      ) as CacheReport['hitRate'],
      evictions: store.removals.budget,
      loads: this.stats.loads.ok,
      coherence: { bus: 'none', lastConfirmedMs: lastConfirmedMs === undefined ? null : Math.round(lastConfirmedMs) },
    };
  }
}
