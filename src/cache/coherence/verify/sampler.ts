import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { errorText } from '../../../common/error-fields.js';
import { ScrollbackError } from '../../../common/scrollback-error.js';
import { settlesWithin } from '../../../storage/embedded/wait-until.js';
import { CacheState } from '../../cache-state.js';
import { Verifier } from './verifier.js';

/** Between two samples. A fault that nobody looks for is found in hours at most; a query every half minute costs nothing. */
const INTERVAL_MS = 30_000;

/** Chats of one sample. */
const SAMPLE_CHATS = 25;

/** One on its way gets this long at the end. */
const STOP_MS = 1000;

/**
 * Compares a few of the chats that are held with the database, all the time, one after the other through everything held. What is wrong
 * is counted, logged and dropped.
 */
@Injectable()
export class Sampler implements OnApplicationShutdown {
  readonly #logger = new Logger('Sampler');
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #place: Iterator<string> | undefined;

  constructor(
    private readonly verifier: Verifier,
    private readonly state: CacheState,
  ) {}

  /** Begins to sample from time to time. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.sample().finally(() => {
        this.#running = undefined;
      });
    }, INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    // The connections are closed next, whatever they wait for.
    if (this.#running !== undefined) await settlesWithin(this.#running, STOP_MS);
  }

  /** Takes one sample. Reports its own failure. */
  async sample(): Promise<void> {
    const chatIds = this.#next();
    if (chatIds.length === 0) return;
    try {
      await this.verifier.verify({ chatIds, repair: true });
    } catch (error) {
      if (!(error instanceof ScrollbackError)) this.#logger.error(`A sample failed: ${errorText(error)}`);
    }
  }

  #next(): string[] {
    const chatIds: string[] = [];
    while (chatIds.length < SAMPLE_CHATS) {
      this.#place ??= this.state.store.chatIds;
      const { value, done } = this.#place.next();
      if (done === true) {
        this.#place = undefined;
        break;
      }
      chatIds.push(value);
    }
    return chatIds;
  }
}
