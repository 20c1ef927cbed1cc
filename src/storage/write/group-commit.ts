import { Inject, Injectable, Logger } from '@nestjs/common';
import { runFor } from '../../common/activity.js';
import { errorFields } from '../../common/error-fields.js';
import type { LogEvent } from '../../common/log-line.js';
import { ScrollbackError } from '../../common/scrollback-error.js';
import { DEFAULT_POOL_MAX } from '../data-source-options.js';
import { Database } from '../database.js';
import { CommitOutcomeUnknownError } from '../open-transaction.js';
import { isLockTimeout } from '../sqlstate.js';
import { STORAGE_OPTIONS, type StorageOptions } from '../storage-options.js';
import { takeBatch } from './batch-keys.js';
import { commitError, lockedTooLong } from './commit-error.js';
import { ChangeFeed } from './change-feed.js';
import type { ChatOperation, OperationResult } from './chat-operation.js';
import { LockWaits } from './lock-waits.js';
import type { LockManner } from './locked-chats.js';
import { retryTransient } from './retry.js';
import { writeBatch, type BatchOutcome } from './write-batch.js';
import { runBatch, writeOrigin, type WriteOrigin } from './write-trace.js';

/** Operations in one transaction. Too low and a burst pays for many commits; too high and the first waits for the last. */
const BATCH_LIMIT = 512;

/**
 * Transactions in flight at once, over disjoint chats. Two keep the server busy while the process builds the next
 * batch; more make the batches smaller.
 */
const PARALLEL_BATCHES = 2;

interface Waiting {
  readonly operation: ChatOperation;
  readonly origin: WriteOrigin | undefined;
  readonly resolve: (result: OperationResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Operations of one transaction, by chat. */
type Batch = ReadonlyMap<string, readonly Waiting[]>;

/** How the write path is doing. */
export interface GroupCommitStatus {
  /** Operations waiting or in flight. */
  readonly queueLength: number;
  /** Operations that may wait before more are refused. */
  readonly queueMax: number;
  /** Operations refused because too many waited. */
  readonly refusals: number;
}

/** Told of every finished batch; the metrics listen. */
export interface BatchObserver {
  onBatch(size: number, seconds: number): void;
}

/**
 * Collects the operations on chats into transactions.
 *
 * An operation is *queued* behind the others of its chat. A chat is *idle* or *in flight*; only idle chats are taken.
 * Whenever a transaction may start, it takes what waits in the idle chats and their state becomes in flight:
 *
 *     queued -> in flight -> committed (announced to listeners, then answered)
 *                         -> refused   (by a rule: the others of the batch go on)
 *                         -> careful   (somebody else has a row locked: the batch again, passing over such chats)
 *                         -> waiting   (somebody else has the chat or a row of it locked: by itself, keeping no other
 *                                       chat waiting; refused when that takes too long)
 *                         -> retried   (transient error: nothing was written)
 *                         -> alone     (any other error in a batch of several: each again by itself, so that one bad
 *                                       operation fails alone)
 *                         -> unknown   (COMMIT was sent and not answered: listeners are told to forget the chat)
 *
 * A transaction of several chats waits for no lock of others longer than a moment, since it holds all their heads and one
 * of the few places for batches. A head that is locked is passed over. A row that is locked ends the transaction, nothing being written; the
 * same again looks at the rows first and passes over the chats of those that are locked. Where that was not it (a table, a
 * row inserted and not committed), every chat of the batch goes the way of those that wait: the innocent are through at once.
 *
 * There is no timer: an idle system commits at once, and what arrives while transactions are in flight forms the next
 * batch. At most one transaction per chat is in flight, so the changes of a chat are announced in the order of their
 * versions; breaking this would make every burst a gap for the cache to repair.
 */
@Injectable()
export class GroupCommit {
  readonly #queues = new Map<string, Waiting[]>();
  readonly #inFlight = new Set<string>();
  readonly #logger = new Logger('GroupCommit');
  readonly #observers: BatchObserver[] = [];
  readonly #lockWaits: LockWaits;
  #queueLength = 0;
  #refusals = 0;
  #running = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(
    private readonly database: Database,
    private readonly feed: ChangeFeed,
    @Inject(STORAGE_OPTIONS) private readonly options: StorageOptions,
  ) {
    this.#lockWaits = new LockWaits((options.poolMax ?? DEFAULT_POOL_MAX) - PARALLEL_BATCHES);
  }

  /** How many operations wait. O(1). */
  get status(): GroupCommitStatus {
    return { queueLength: this.#queueLength, queueMax: this.options.writeQueueMax, refusals: this.#refusals };
  }

  /** Adds an observer for the life of the application. */
  observe(observer: BatchObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Runs an operation and resolves when it is committed and every listener knows.
   *
   * @throws ScrollbackError `write_queue_full` when too many wait (nothing is written), `write_outcome_unknown` when the
   * commit's answer was lost, `database_unavailable` when the database stayed away (nothing is written), or the code of
   * the rule that refused it.
   */
  submit(operation: ChatOperation): Promise<OperationResult> {
    if (this.#queueLength >= this.options.writeQueueMax) {
      this.#refusals++;
      return Promise.reject(
        new ScrollbackError('write_queue_full', `${this.#queueLength} writes are waiting. Try again shortly.`),
      );
    }
    return new Promise((resolve, reject) => {
      const waiting = { operation, origin: writeOrigin(), resolve, reject };
      const queue = this.#queues.get(operation.chatId);
      if (queue === undefined) this.#queues.set(operation.chatId, [waiting]);
      else queue.push(waiting);
      this.#queueLength++;
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async drain(): Promise<void> {
    if (this.#queueLength === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /**
   * Starts batches when all that has come by now has been read: the answers to a batch bring the next requests at nearly the same moment, each by a connection
   * of its own. Started with the first of them, seven batches of ten were of a single message.
   */
  #schedule(): void {
    if (this.#scheduled || this.#running >= PARALLEL_BATCHES) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#running < PARALLEL_BATCHES) {
        const batch = this.#takeBatch();
        if (batch.size === 0) break;
        this.#running++;
        // Not for the request that happens to be the last or the first of it.
        void runFor(undefined, () => this.#run(batch));
      }
    });
  }

  #takeBatch(): Batch {
    const batch = new Map<string, Waiting[]>();
    let left = BATCH_LIMIT;
    for (const [chatId, queue] of [...this.#queues]) {
      if (left === 0) break;
      if (this.#inFlight.has(chatId)) continue;
      const taken = takeBatch(queue, left);
      left -= taken.length;
      batch.set(chatId, taken);
      this.#inFlight.add(chatId);
      // What is left goes to the end of the line, so that no chat waits for another one's whole queue.
      this.#queues.delete(chatId);
      if (queue.length > 0) this.#queues.set(chatId, queue);
    }
    return batch;
  }

  async #run(batch: Batch): Promise<void> {
    let blocked: Batch = new Map();
    try {
      // Who has locked one row has perhaps locked more: looking first costs a round trip, meeting another one a wait.
      blocked = await this.#attempt(batch, this.#lockWaits.isWaiting ? 'careful' : 'quick');
    } finally {
      this.#running--;
      this.#settle(batch, blocked);
      for (const [chatId, waiting] of blocked) void this.#runPatiently(new Map([[chatId, waiting]]));
    }
  }

  /** Waits for a chat that somebody else has locked without keeping other chats waiting. */
  async #runPatiently(batch: Batch): Promise<void> {
    let blocked = batch;
    try {
      const isDone = await this.#lockWaits.attempt(async (manner) => {
        blocked = await this.#attempt(blocked, manner);
        return blocked.size === 0;
      });
      if (!isDone) for (const waiting of [...blocked.values()].flat()) waiting.reject(lockedTooLong());
    } finally {
      this.#settle(batch, new Map());
    }
  }

  /** Frees the chats of a batch, but for those that go on waiting. */
  #settle(batch: Batch, blocked: Batch): void {
    for (const [chatId, waiting] of batch) {
      const left = blocked.get(chatId)?.length ?? 0;
      if (left === 0) this.#inFlight.delete(chatId);
      this.#queueLength -= waiting.length - left;
    }
    if (this.#queueLength === 0) for (const resolve of this.#idle.splice(0)) resolve();
    else this.#schedule();
  }

  /** @returns what has met a lock of somebody else's, or may have: nothing of it is written, and each chat is to wait by itself. */
  async #attempt(batch: Batch, manner: LockManner): Promise<Batch> {
    const startedMs = performance.now();
    const all = [...batch.values()].flat();
    let outcome: BatchOutcome;
    try {
      const origins = all.map(({ origin }) => origin);
      const size = { operations: all.length, chats: batch.size };
      outcome = await runBatch(origins, size, () => this.#commit(batch, manner));
    } catch (error) {
      if (error instanceof CommitOutcomeUnknownError) {
        for (const chatId of batch.keys()) this.feed.announceUnknown(chatId);
      }
      if (isLockTimeout(error)) return manner === 'quick' ? this.#attempt(batch, 'careful') : batch;
      const refusal = commitError(error);
      if (refusal !== undefined || all.length === 1) {
        for (const waiting of all) waiting.reject(refusal ?? error);
        return new Map();
      }
      return this.#attemptAlone(all);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    this.#observe(outcome.decisions.size, seconds);
    for (const changes of outcome.committed) this.feed.announce(changes);
    for (const [chatId, version] of outcome.unchanged) this.feed.announceSeen(chatId, version);
    for (const waiting of all) {
      const decision = outcome.decisions.get(waiting.operation);
      if (decision === undefined) continue;
      if ('error' in decision) waiting.reject(decision.error);
      else waiting.resolve(decision.result);
    }
    return new Map(outcome.passedOver.map((chatId) => [chatId, batch.get(chatId)!]));
  }

  /** What is measured is not worth an answer: observers that throw are logged, and the batch goes on. */
  #observe(size: number, seconds: number): void {
    for (const observer of this.#observers) {
      try {
        observer.onBatch(size, seconds);
      } catch (error) {
        this.#logger.error({
          event: 'observer_failed',
          message: 'An observer has thrown on being told of a batch.',
          ...errorFields(error),
        } satisfies LogEvent);
      }
    }
  }

  /** Each operation by itself, so that the one that made the batch fail fails alone. */
  async #attemptAlone(all: readonly Waiting[]): Promise<Batch> {
    const blocked = new Map<string, Waiting[]>();
    for (const waiting of all) {
      const { chatId } = waiting.operation;
      const before = blocked.get(chatId);
      if (before !== undefined) before.push(waiting);
      else if ((await this.#attempt(new Map([[chatId, [waiting]]]), 'careful')).size > 0)
        blocked.set(chatId, [waiting]);
    }
    return blocked;
  }

  #commit(batch: Batch, manner: LockManner): Promise<BatchOutcome> {
    const operations = new Map([...batch].map(([chatId, waiting]) => [chatId, waiting.map((each) => each.operation)]));
    return retryTransient(() => writeBatch(this.database, operations, manner));
  }
}
