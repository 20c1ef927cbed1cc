import { Inject, Injectable, Logger } from '@nestjs/common';
import { errorText } from '../../common/error-fields.js';
import { ScrollbackError } from '../../common/scrollback-error.js';
import { HeadRepository } from '../../storage/head-repository.js';
import { CacheState } from '../cache-state.js';
import type { ChatEntry } from '../local/chat-entry.js';

/**
 * How long a database that did not answer is not asked again. Without it every reader would wait for the same time-out.
 */
const REST_MS = 500;

/** Chats of one query. */
const QUERY_LIMIT = 5000;

/** What a reader asks of an entry in doubt. */
export interface DoubtWish {
  /** At this version or a later one. */
  readonly minVersion?: number | undefined;
  /** Whether the reader may get what cannot be told to be current. */
  readonly allowsStale?: boolean;
}

/** What has become of an entry in doubt: it may be read, it may be read as stale, or it has to be loaded. */
export type Settlement = 'current' | 'stale' | 'outdated';

interface Batch {
  readonly entries: Map<string, ChatEntry>;
  readonly outcome: Promise<boolean>;
}

/**
 * Asks the database, while the lease has run out, whether what is held is current. Who asks in the same turn, or while a query is on
 * its way, shares the next one: a batch costs about as much as a single chat.
 */
@Injectable()
export class Revalidator {
  readonly #logger = new Logger('Coherence');
  #next: Batch | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #restingUntilMs = 0;

  constructor(
    @Inject(HeadRepository) private readonly heads: Pick<HeadRepository, 'findVersions'>,
    private readonly state: CacheState,
  ) {}

  /**
   * Finds out whether what is held of a chat may be read.
   *
   * @throws ScrollbackError `freshness_unknown` when the database does not answer and the reader may not get what is stale.
   */
  async settle(chatId: string, { minVersion = 0, allowsStale = false }: DoubtWish): Promise<Settlement> {
    const entry = this.state.store.getChat(chatId);
    if (entry === undefined || entry.version < minVersion) return 'outdated';
    // One that is behind is asked about as well: what a crash has taken back is not to be repaired, but dropped.
    if (this.state.lease.covers(entry) || (await this.#confirm(entry))) return entry.isBehind ? 'outdated' : 'current';
    if (!allowsStale) throw freshnessUnknown();
    return this.state.store.getChat(chatId) === entry && entry.isTellable ? 'stale' : 'outdated';
  }

  /**
   * Asks about chats together. Of those that are held, what is unchanged is covered by the lease afterwards, and what is not is behind
   * or gone.
   *
   * @returns false when the database does not answer.
   */
  async confirmMany(chatIds: Iterable<string>): Promise<boolean> {
    const asked: Promise<boolean>[] = [];
    for (const chatId of chatIds) {
      const entry = this.state.store.getChat(chatId);
      if (entry !== undefined && !this.state.lease.covers(entry)) asked.push(this.#confirm(entry));
    }
    return (await Promise.all(asked)).every((isAnswered) => isAnswered);
  }

  #confirm(entry: ChatEntry): Promise<boolean> {
    if (performance.now() < this.#restingUntilMs) return Promise.resolve(false);
    this.#next ??= this.#open();
    this.#next.entries.set(entry.chatId, entry);
    return this.#next.outcome;
  }

  #open(): Batch {
    const entries = new Map<string, ChatEntry>();
    const outcome = this.#last.then(() => {
      this.#next = undefined;
      return this.#ask([...entries.values()]);
    });
    this.#last = outcome;
    return { entries, outcome };
  }

  /** Never throws. */
  async #ask(entries: readonly ChatEntry[]): Promise<boolean> {
    try {
      for (let from = 0; from < entries.length; from += QUERY_LIMIT) {
        await this.#compare(entries.slice(from, from + QUERY_LIMIT));
      }
      return true;
    } catch (error) {
      // Whatever it was, nothing is known, and who asks next asks anew.
      if (!(error instanceof ScrollbackError)) this.#logger.error(`Versions cannot be asked for: ${errorText(error)}`);
      this.#restingUntilMs = performance.now() + REST_MS;
      return false;
    }
  }

  async #compare(entries: readonly ChatEntry[]): Promise<void> {
    const start = this.state.lease.now();
    const { epoch, run, versions } = await this.heads.findVersions(entries.map(({ chatId }) => chatId));
    if (this.state.epoch !== undefined && epoch !== this.state.epoch) {
      this.state.beginEpoch(epoch);
      return;
    }
    // The server has broken off since the last look: a version that is held may be one that was lost, and given out again.
    const { comparedRun } = this.state;
    const isBroken = comparedRun !== undefined && run !== comparedRun;
    for (const entry of entries) {
      const version = versions.get(entry.chatId) ?? 0;
      this.state.noteVersion(entry.chatId, version, 'lease');
      if (this.state.store.getChat(entry.chatId) !== entry) continue;
      // A version that has run backwards within an epoch is somebody's edit of the heads: what is held is of no use.
      if (version < entry.version || isBroken) this.state.store.removeChat(entry, 'invalidated');
      else if (version === entry.version) this.state.lease.confirmChat(entry, start);
    }
  }
}

/** The answer where what is held may be old and the database cannot be asked. */
export function freshnessUnknown(): ScrollbackError {
  return new ScrollbackError('freshness_unknown', 'The database cannot be asked whether what is held is current.');
}
