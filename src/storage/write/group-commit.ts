import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ScrollbackError } from '../../common/scrollback-error.js';
import { CommitOutcomeUnknownError, Database } from '../database.js';
import { isConnectionError, isTransient } from '../sqlstate.js';
import { STORAGE_OPTIONS, type StorageOptions } from '../storage-options.js';
import { takeBatch } from './batch-keys.js';
import { ChangeFeed } from './change-feed.js';
import type { ChatOperation, OperationResult } from './chat-operation.js';
import { writeBatch, type BatchOutcome } from './write-batch.js';

/** Operations in one transaction. Too low and a burst pays for many commits; too high and the first waits for the last. */
const BATCH_LIMIT = 512;

/**
 * Transactions in flight at once, over disjoint chats. Two keep the server busy while the process builds the next
 * batch; more make the batches smaller.
 */
const PARALLEL_BATCHES = 2;

/** How often a transaction that met a transient error is tried again, and how long before each try. */
const RETRY_DELAYS_MS = [10, 50, 250, 1000];

interface Waiting {
  readonly operation: ChatOperation;
  readonly resolve: (result: OperationResult) => void;
  readonly reject: (error: unknown) => void;
}

/** How the write path is doing. */
export interface GroupCommitStatus {
  /** Operations waiting or in flight. */
  readonly queueLength: number;
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
 *                         -> retried   (transient error: nothing was written)
 *                         -> alone     (any other error in a batch of several: each again by itself, so that one bad
 *                                       operation fails alone)
 *                         -> unknown   (COMMIT was sent and not answered: listeners are told to forget the chat)
 *
 * There is no timer: an idle system commits at once, and what arrives while transactions are in flight forms the next
 * batch. At most one transaction per chat is in flight, so the changes of a chat are announced in the order of their
 * versions; breaking this would make every burst a gap for the cache to repair.
 */
@Injectable()
export class GroupCommit {
  readonly #queues = new Map<string, Waiting[]>();
  readonly #inFlight = new Set<string>();
  readonly #observers: BatchObserver[] = [];
  #queueLength = 0;
  #running = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(
    private readonly database: Database,
    private readonly feed: ChangeFeed,
    @Inject(STORAGE_OPTIONS) private readonly options: StorageOptions,
  ) {}

  /** How many operations wait. O(1). */
  get status(): GroupCommitStatus {
    return { queueLength: this.#queueLength };
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
      return Promise.reject(
        new ScrollbackError('write_queue_full', `${this.#queueLength} writes are waiting. Try again shortly.`),
      );
    }
    return new Promise((resolve, reject) => {
      const waiting = { operation, resolve, reject };
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

  /** Starts batches after the present turn, so that what one turn submits goes together. */
  #schedule(): void {
    if (this.#scheduled || this.#running >= PARALLEL_BATCHES) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#running < PARALLEL_BATCHES) {
        const batch = this.#takeBatch();
        if (batch.size === 0) break;
        this.#running++;
        void this.#run(batch);
      }
    });
  }

  #takeBatch(): Map<string, Waiting[]> {
    const batch = new Map<string, Waiting[]>();
    let left = BATCH_LIMIT;
    for (const [chatId, queue] of this.#queues) {
      if (left === 0) break;
      if (this.#inFlight.has(chatId)) continue;
      const taken = takeBatch(queue, left);
      left -= taken.length;
      batch.set(chatId, taken);
      this.#inFlight.add(chatId);
      if (queue.length === 0) this.#queues.delete(chatId);
    }
    return batch;
  }

  async #run(batch: Map<string, Waiting[]>): Promise<void> {
    const startedMs = performance.now();
    const all = [...batch.values()].flat();
    try {
      await this.#attempt(batch);
    } finally {
      for (const chatId of batch.keys()) this.#inFlight.delete(chatId);
      this.#running--;
      this.#queueLength -= all.length;
      const seconds = (performance.now() - startedMs) / 1000;
      for (const observer of this.#observers) observer.onBatch(all.length, seconds);
      if (this.#queueLength === 0) for (const resolve of this.#idle.splice(0)) resolve();
      else this.#schedule();
    }
  }

  async #attempt(batch: ReadonlyMap<string, readonly Waiting[]>): Promise<void> {
    const all = [...batch.values()].flat();
    let outcome: BatchOutcome;
    try {
      outcome = await this.#commit(batch);
    } catch (error) {
      if (error instanceof CommitOutcomeUnknownError) {
        for (const chatId of batch.keys()) this.feed.announceUnknown(chatId);
        const unknown = new ScrollbackError(
          'write_outcome_unknown',
          'The connection to the database broke during the commit. Send it again with the same clientId.',
          undefined,
          { cause: error },
        );
        for (const waiting of all) waiting.reject(unknown);
      } else if (isConnectionError(error)) {
        const unavailable = new ScrollbackError(
          'database_unavailable',
          'The database cannot be reached. Nothing was written.',
          undefined,
          { cause: error },
        );
        for (const waiting of all) waiting.reject(unavailable);
      } else if (all.length > 1) {
        for (const waiting of all) await this.#attempt(new Map([[waiting.operation.chatId, [waiting]]]));
      } else {
        all[0]!.reject(error);
      }
      return;
    }
    for (const changes of outcome.committed) this.feed.announce(changes);
    for (const waiting of all) {
      const decision = outcome.decisions.get(waiting.operation)!;
      if ('error' in decision) waiting.reject(decision.error);
      else waiting.resolve(decision.result);
    }
  }

  async #commit(batch: ReadonlyMap<string, readonly Waiting[]>): Promise<BatchOutcome> {
    const operations = new Map([...batch].map(([chatId, waiting]) => [chatId, waiting.map((each) => each.operation)]));
    for (let attempt = 0; ; attempt++) {
      try {
        return await writeBatch(this.database, operations);
      } catch (error) {
        const delayMs = RETRY_DELAYS_MS[attempt];
        if (error instanceof CommitOutcomeUnknownError || delayMs === undefined || !isTransient(error)) throw error;
        await delay(delayMs);
      }
    }
  }
}
