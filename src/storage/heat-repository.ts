import { Injectable } from '@nestjs/common';
import { Database } from './database.js';
import { FORGET_HEAT, LOAD_HOTTEST, SAVE_HEAT } from './statements/heat.js';

/** A chat that was in the cache, and the version it had there. */
export interface HeatRecord {
  readonly chatId: string;
  readonly version: number;
}

/** Keeps which chats are hot, so that the next start can warm them first. Identities and order, never content. */
@Injectable()
export class HeatRepository {
  constructor(private readonly database: Database) {}

  /**
   * Saves heat, hottest first, over what was saved of the same chats. All of it or, when it fails, none.
   *
   * @param keptMs - what was saved of other chats, by this instance or by others that share the database, is forgotten when
   * nobody has saved it again for this long; `undefined`: it is kept.
   */
  async save(hottest: readonly HeatRecord[], keptMs: number | undefined): Promise<void> {
    await this.database.query('coherence', SAVE_HEAT, [
      hottest.map(({ chatId }) => chatId),
      hottest.map(({ version }) => version),
    ]);
    // By itself: one transaction that forgets and then saves could wait for another that does the same.
    if (keptMs !== undefined) await this.database.query('coherence', FORGET_HEAT, [keptMs]);
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
