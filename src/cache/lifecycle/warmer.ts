import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { HeatRepository } from '../../storage/heat-repository.js';
import { CacheState } from '../cache-state.js';
import { ChatReader } from '../read/chat-reader.js';

/** Share of the budget that warming fills: the rest is for what the day brings. */
const WARM_SHARE = 0.8;

/** Chats loaded with one query. More keep the database busy longer before the next look at the budget. */
const WARM_BATCH = 200;

/** Chats that are looked at when warming; no budget here holds more. */
const WARM_LIMIT = 1_000_000;

/** How far warming has come. */
export interface WarmStatus {
  readonly state: 'waiting' | 'warming' | 'warm' | 'behind' | 'failed';
  readonly chats: number;
  readonly totalChats: number;
  readonly seconds: number;
}

/**
 * Fills the cache before the first reader comes: the chats that were hot when an instance last stopped, in that order,
 * then those that changed last, until the warm share of the budget is taken. After the deadline it goes on behind while
 * readers are served.
 */
@Injectable()
export class Warmer implements OnApplicationShutdown {
  readonly #logger = new Logger('Warmer');
  #state: WarmStatus['state'] = 'waiting';
  #chats = 0;
  #totalChats = 0;
  #startedAtMs = 0;
  #seconds = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(
    private readonly heat: HeatRepository,
    private readonly chats: ChatReader,
    private readonly state: CacheState,
  ) {}

  /** How far it has come. */
  get status(): WarmStatus {
    const seconds = this.#isGoingOn ? (performance.now() - this.#startedAtMs) / 1000 : this.#seconds;
    return { state: this.#state, chats: this.#chats, totalChats: this.#totalChats, seconds };
  }

  /** Whether readers may be served: warm, or past the deadline, or given up. */
  get isReady(): boolean {
    return this.#state === 'warm' || this.#state === 'behind' || this.#state === 'failed';
  }

  /** Begins. Does not wait for the end; never throws. */
  start(): void {
    if (this.state.mode === 'off') {
      this.#state = 'warm';
      return;
    }
    this.#startedAtMs = performance.now();
    this.#state = 'warming';
    this.#running = this.#warm().catch((error: unknown) => {
      this.#state = 'failed';
      this.#logger.warn(`Warming stopped, reads fill the cache instead: ${String(error)}`);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #warm(): Promise<void> {
    const chatIds = await this.heat.loadHottest(WARM_LIMIT);
    this.#totalChats = chatIds.length;
    for (let from = 0; from < chatIds.length && !this.#isStopped && this.#hasRoom; from += WARM_BATCH) {
      const batch = chatIds.slice(from, from + WARM_BATCH).filter((chatId) => this.chats.peek(chatId) === undefined);
      await this.chats.warmMany(batch);
      this.#chats += batch.length;
      this.#passDeadline();
    }
    this.#seconds = (performance.now() - this.#startedAtMs) / 1000;
    this.#state = 'warm';
    const { bytes } = this.state.store;
    this.#logger.log(
      `Warm: ${this.#chats} of ${this.#totalChats} chats, ${(bytes / 2 ** 20).toFixed(1)} MiB, ${this.#seconds.toFixed(1)} s.`,
    );
  }

  #passDeadline(): void {
    const isLate = performance.now() - this.#startedAtMs > this.state.options.warmDeadlineMs;
    if (!isLate || this.#state !== 'warming') return;
    this.#state = 'behind';
    this.#logger.log(`Serving with ${this.#chats} of ${this.#totalChats} chats warm; the others follow.`);
  }

  get #hasRoom(): boolean {
    return this.state.store.bytes < this.state.store.maxBytes * WARM_SHARE;
  }

  get #isGoingOn(): boolean {
    return this.#state === 'warming' || this.#state === 'behind';
  }
}
