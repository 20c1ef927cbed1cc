import { Injectable, Logger } from '@nestjs/common';
import { errorText } from '../../common/error-fields.js';
import { settlesWithin } from '../../storage/embedded/wait-until.js';
import { HeatRepository, type HeatRecord } from '../../storage/heat-repository.js';
import { CacheState } from '../cache-state.js';
import { Warmer } from './warmer.js';

/** Chats whose heat is kept. */
const HEAT_LIMIT = 100_000;

/**
 * Time between two savings. Shorter and the database rewrites a large table for little; longer and an instance that crashes
 * comes back with older heat.
 */
const SAVE_INTERVAL_MS = 5 * 60_000;

/**
 * The last saving may take so long. Too low and a busy database gets no heat; too high and a database that hangs holds up the end of the process.
 */
const LAST_SAVE_MS = 4000;

/**
 * Heat that nobody has saved again for this long is forgotten. Several instances share the table: below some savings' time one
 * would throw away what another has just saved; far above, chats that have cooled are warmed before those that have not.
 */
const HEAT_KEPT_MS = 3 * SAVE_INTERVAL_MS;

/**
 * Saves which chats are hot, every few minutes and at the end. Their content is not saved: the next start reads the truth.
 *
 * @remarks While the cache is not warm it knows a part of what was hot, so it forgets nothing of what is saved.
 */
@Injectable()
export class Persister {
  readonly #logger = new Logger('Persister');
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> | undefined;
  /** Nobody waits for what is on its way. */
  #isOver = false;

  constructor(
    private readonly heat: HeatRepository,
    private readonly state: CacheState,
    private readonly warmer: Warmer,
  ) {}

  /** Begins to save from time to time. */
  start(): void {
    this.#timer = setInterval(() => {
      // A saving that takes longer than the interval is not joined by a second one.
      if (this.#saving === undefined) void this.save();
    }, SAVE_INTERVAL_MS).unref();
  }

  /** Ends with a last saving, which a database that does not answer does not get. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const saved = Promise.resolve(this.#saving).then(() => this.save());
    if (await settlesWithin(saved, LAST_SAVE_MS)) return;
    this.#isOver = true;
    this.#logger.warn('The heat of the cache is not saved: the database does not answer.');
  }

  /** Saves the order of use. Reports its own failure: whoever asks goes on without it. */
  async save(): Promise<void> {
    if (!this.state.isHolding) return;
    const saving = this.#save();
    this.#saving = saving;
    await saving;
    this.#saving = undefined;
  }

  async #save(): Promise<void> {
    const hottest: HeatRecord[] = [];
    for (const entry of this.state.store.hottestChats()) {
      if (entry.isPresent) hottest.push({ chatId: entry.chatId, version: entry.version });
      if (hottest.length === HEAT_LIMIT) break;
    }
    try {
      await this.heat.save(hottest, this.warmer.status.state === 'warm' ? HEAT_KEPT_MS : undefined);
      this.#logger.log(`Saved the heat of ${hottest.length} chats.`);
    } catch (error) {
      if (this.#isOver) return;
      this.#logger.warn(`The heat of the cache is not saved: ${errorText(error)}`);
    }
  }
}
