import { Inject, Injectable } from '@nestjs/common';
import { CACHE_OPTIONS, type CacheMode, type CacheOptions } from './cache-options.js';
import { DEFAULT_POLICY, makePolicy } from './local/eviction/policies.js';
import { MemoryStore } from './local/memory-store.js';
import { FillBoard } from './read/fill-board.js';

/** What readers work on: what is held, and what is on its way. */
export interface ReadState {
  readonly options: CacheOptions;
  readonly store: MemoryStore;
  readonly board: FillBoard;
  /** Chats that users have joined while their index is on its way. */
  readonly userFills: Map<string, Set<string>>;
  /** Whether reads are answered from what is held, and what is loaded is kept. */
  readonly isHolding: boolean;
}

/** What the parts of the cache share, and the mode, which may change at any time. */
@Injectable()
export class CacheState implements ReadState {
  readonly store: MemoryStore;
  readonly board = new FillBoard();
  readonly userFills = new Map<string, Set<string>>();
  #mode: CacheMode;

  constructor(@Inject(CACHE_OPTIONS) readonly options: CacheOptions) {
    this.store = storeOf(options, options.maxBytes);
    this.#mode = options.mode;
  }

  /** The present mode. */
  get mode(): CacheMode {
    return this.#mode;
  }

  get isHolding(): boolean {
    return this.#mode !== 'off';
  }

  /**
   * Changes the mode. Off, everything held is given back; on again, the cache begins empty. What others change is followed in
   * every mode, so nothing can be missed in between.
   */
  setMode(mode: CacheMode): void {
    this.#mode = mode;
    if (mode === 'off') this.store.clear();
  }

  /** A state for readers that go past the cache: it holds nothing, ever. */
  past(): ReadState {
    const { options } = this;
    return { options, store: storeOf(options, 0), board: new FillBoard(), userFills: new Map(), isHolding: false };
  }
}

function storeOf({ policy = DEFAULT_POLICY }: CacheOptions, maxBytes: number): MemoryStore {
  return new MemoryStore(maxBytes, (capacityBytes) => makePolicy(policy, capacityBytes));
}
