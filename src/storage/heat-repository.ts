import { Injectable } from '@nestjs/common';
import { Database } from './database.js';
import { LOAD_HOTTEST, SAVE_HEAT } from './statements/heat.js';

/** A chat that was in the cache, and the version it had there. */
export interface HeatRecord {
  readonly chatId: string;
  readonly version: number;
}

/** Keeps which chats are hot, so that the next start can warm them first. Identities and order, never content. */
@Injectable()
export class HeatRepository {
  constructor(private readonly database: Database) {}

  /** Replaces what was saved before. Hottest first. */
  async save(hottest: readonly HeatRecord[]): Promise<void> {
    await this.database.query('coherence', SAVE_HEAT, [
      hottest.map(({ chatId }) => chatId),
      hottest.map(({ version }) => version),
    ]);
  }

  /**
   * Loads the ids of chats to warm: those that were hot when last saved, in that order, then the others, last changed
   * first.
   */
  async loadHottest(limit: number): Promise<string[]> {
    const rows = await this.database.query<{ chat_id: string }>('coherence', LOAD_HOTTEST, [limit]);
    return rows.map((row) => row.chat_id);
  }
}
