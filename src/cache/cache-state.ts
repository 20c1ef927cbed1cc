import { Inject, Injectable } from '@nestjs/common';
import { CACHE_OPTIONS, type CacheMode, type CacheOptions } from './cache-options.js';
import { LruPolicy } from './local/eviction/lru.js';
import { MemoryStore } from './local/memory-store.js';
import { FillBoard } from './read/fill-board.js';

/** What the parts of the cache share: the mode, what is held, and what is on its way. */
@Injectable()
export class CacheState {
  readonly store: MemoryStore;
  readonly board = new FillBoard();
  /** Chats that users have joined while their index is on its way. */
  readonly userFills = new Map<string, Set<string>>();
  readonly mode: CacheMode;

  constructor(@Inject(CACHE_OPTIONS) readonly options: CacheOptions) {
    this.store = new MemoryStore(options.maxBytes, (capacityBytes) => new LruPolicy(capacityBytes));
    this.mode = options.mode;
  }
}
