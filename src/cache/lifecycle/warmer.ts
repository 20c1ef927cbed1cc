import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { errorText } from '../../common/error-fields.js';
import { settlesWithin } from '../../storage/embedded/wait-until.js';
import { HeatRepository } from '../../storage/heat-repository.js';
import { CacheState } from '../cache-state.js';
import { ChatReader } from '../read/chat-reader.js';

/** Share of the budget that warming fills: the rest is for what the day brings. */
const WARM_SHARE = 0.8;

/**
 * Chats loaded with one query. Fewer and the round trips show; more keep the database busy longer before the next look at the
 * budget, and put more of them out of order.
 */
const WARM_BATCH = 200;

/**
 * Batches under way at once: the database works on the next while this one is encoded. More would take connections from
 * readers, and have nothing to do it with: the process has one thread.
 */
const WARM_LANES = 2;

/** Chats that are looked at when warming; no budget here holds more. */
const WARM_LIMIT = 1_000_000;

/** How often a batch is tried, and the pause before the second time; each further pause is twice as long. */
const BATCH_ATTEMPTS = 5;
const RETRY_MS = 500;

/** Time between two lines of progress in the log. */
const PROGRESS_MS = 5000;

/**
 * At the end a batch on its way gets this long. Too low and one that is nearly there is broken off; too high and one that waits for a lock holds up the
 * end of the process.
 */
const STOP_MS = 1000;

/** Every {@link WarmState}. */
export const WARM_STATES = ['waiting', 'warming', 'warm', 'behind', 'failed'] as const;

/** Where warming stands; the `state` label of `scrollback_cache_warm_state`. */
export type WarmState = (typeof WARM_STATES)[number];

/** How far warming has come. */
export interface WarmStatus {
  readonly state: WarmState;
  readonly chats: number;
  readonly totalChats: number;
  readonly messages: number;
  readonly seconds: number;
}

/**
 * Fills the cache before the first reader comes: the chats that were hot when an instance last saved its heat, in that order,
 * then those that changed last, until the warm share of the budget is taken. After the deadline it goes on behind while readers
 * are served.
 *
 *     waiting -> warming -> warm
 *                   |  \-> behind -> warm
 *                   v         v
 *                 failed    failed      a batch could not be read, however often it was tried
 */
@Injectable()
export class Warmer implements OnApplicationShutdown {
  readonly #logger = new Logger('Warmer');
  #state: WarmState = 'waiting';
  #chats = 0;
  #totalChats = 0;
  #messages = 0;
  #startedAtMs = 0;
  #seconds = 0;
  /** Stopped, or given up. */
  #isOver = false;
  #isShutDown = false;
  /** Nobody waits for it any more. */
  #isLeft = false;
  #running: Promise<void> | undefined;
  readonly #pauses = new Set<() => void>();

  constructor(
    private readonly heat: HeatRepository,
    private readonly chats: ChatReader,
    private readonly state: CacheState,
  ) {}

  /** How far it has come. */
  get status(): WarmStatus {
    const seconds = this.#isGoingOn ? this.#elapsedMs / 1000 : this.#seconds;
    return {
      state: this.#state,
      chats: this.#chats,
      totalChats: this.#totalChats,
      messages: this.#messages,
      seconds,
    };
  }

  /** Whether readers may be served: warm, or past the deadline, or given up. */
  get isReady(): boolean {
    return this.#state === 'warm' || this.#state === 'behind' || this.#state === 'failed';
  }

  /**
   * Begins, or begins again behind readers after the cache was off. Does not wait for the end; never throws. Nothing happens while it
   * goes on; one that is being stopped is followed by another.
   */
  start(): void {
    if (this.#isShutDown) return;
    if (this.#isGoingOn) {
      if (this.#isOver) void this.#running?.then(() => this.start());
      return;
    }
    if (!this.state.isHolding) {
      this.#state = 'warm';
      return;
    }
    this.#state = this.isReady ? 'behind' : 'warming';
    this.#startedAtMs = performance.now();
    [this.#chats, this.#messages, this.#isOver] = [0, 0, false];
    const progress = setInterval(() => this.#say(`Warming: ${this.#progress()}.`), PROGRESS_MS).unref();
    const deadline = setTimeout(() => this.#passDeadline(), this.state.options.warmDeadlineMs).unref();
    this.#running = this.#warm()
      .catch((error: unknown) => {
        this.#end('failed');
        if (!this.#isShutDown) this.#logger.warn(`Warming stopped, reads fill the cache instead: ${errorText(error)}`);
      })
      .finally(() => {
        clearInterval(progress);
        clearTimeout(deadline);
      });
  }

  /** Ends it early: the cache is turned off, or nothing can be loaded. Does not wait for the batches on their way. */
  stop(): void {
    this.#isOver = true;
    for (const end of this.#pauses) end();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#isShutDown = true;
    this.stop();
    // The connections are closed next, whatever they wait for.
    if (this.#running !== undefined && !(await settlesWithin(this.#running, STOP_MS))) {
      this.#logger.log(`Warming is broken off: ${this.#progress()}.`);
    }
    this.#isLeft = true;
  }

  /** Says how it goes on, until it is broken off. */
  #say(text: string): void {
    if (!this.#isLeft) this.#logger.log(text);
  }

  async #warm(): Promise<void> {
    const chatIds = await this.#insist(() => this.heat.loadHottest(WARM_LIMIT));
    this.#totalChats = chatIds.length;
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < chatIds.length && !this.#isOver && this.#hasRoom && this.state.isHolding) {
        const batch = chatIds.slice(next, next + WARM_BATCH);
        next += WARM_BATCH;
        const messages = await this.#insist(() => this.chats.warmMany(batch));
        this.#messages += messages;
        this.#chats += batch.length;
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: WARM_LANES }, lane));
    const failed = lanes.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#end('warm');
    this.#say(`${this.#isOver ? 'Warming stopped' : 'Warm'}: ${this.#progress()}.`);
  }

  /** Tries again what fails, a few times. When it gives up, the other lane stops as well. */
  async #insist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt === BATCH_ATTEMPTS || this.#isOver) {
          this.stop();
          throw error;
        }
        const pauseMs = RETRY_MS * 2 ** (attempt - 1);
        this.#logger.warn(`Warming failed and tries again in ${pauseMs} ms: ${errorText(error)}`);
        await this.#pause(pauseMs);
        if (this.#isOver) throw error;
      }
    }
  }

  /** Waits, but not when warming is over. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#pauses.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#pauses.add(end);
    });
  }

  #end(state: 'warm' | 'failed'): void {
    this.#seconds = this.#elapsedMs / 1000;
    this.#state = state;
  }

  #passDeadline(): void {
    if (this.#state !== 'warming') return;
    this.#state = 'behind';
    this.#say(`Serving while warming goes on behind: ${this.#progress()}.`);
  }

  #progress(): string {
    const seconds = this.#elapsedMs / 1000;
    const mebibytes = (this.state.store.bytes / 2 ** 20).toFixed(1);
    const rate = Math.round(this.#messages / Math.max(seconds, 0.001));
    return (
      `${this.#chats} of ${this.#totalChats} chats, ${this.#messages} messages, ${mebibytes} MiB held, ` +
      `${seconds.toFixed(1)} s, ${rate} messages/s`
    );
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  get #hasRoom(): boolean {
    return this.state.store.bytes < this.state.store.maxBytes * WARM_SHARE;
  }

  get #isGoingOn(): boolean {
    return this.#state === 'warming' || this.#state === 'behind';
  }
}
