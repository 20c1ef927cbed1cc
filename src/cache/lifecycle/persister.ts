import { Injectable, Logger } from '@nestjs/common';
import { HeatRepository, type HeatRecord } from '../../storage/heat-repository.js';
import { CacheState } from '../cache-state.js';

/** Chats whose heat is kept. */
const HEAT_LIMIT = 100_000;

/** Saves which chats are hot. Their content is not saved: the next start reads the truth. */
@Injectable()
export class Persister {
  readonly #logger = new Logger('Persister');

  constructor(
    private readonly heat: HeatRepository,
    private readonly state: CacheState,
  ) {}

  /** Saves the order of use. Reports its own failure: a shutdown goes on without it. */
  async save(): Promise<void> {
    if (this.state.mode === 'off') return;
    const hottest: HeatRecord[] = [];
    for (const entry of this.state.store.hottestChats()) {
      if (entry.chat !== undefined) hottest.push({ chatId: entry.chatId, version: entry.version });
      if (hottest.length === HEAT_LIMIT) break;
    }
    try {
      await this.heat.save(hottest);
      this.#logger.log(`Saved the heat of ${hottest.length} chats.`);
    } catch (error) {
      this.#logger.warn(`The heat of the cache is not saved: ${String(error)}`);
    }
  }
}
