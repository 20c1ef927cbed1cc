import { Inject, Injectable, Optional } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import type { CopyOutSink } from './copy-out.js';
import { CONNECT_TIMEOUT_MS } from './data-source-options.js';
import { DatabaseSilentError } from './database-silent-error.js';
import { CommitOutcomeUnknownError, OpenTransaction, type StatementObserver } from './open-transaction.js';
import { SilenceLimit } from './silence-limit.js';
import { isConnectTimeout } from './sqlstate.js';
import { StatementWatch, type StatementCause } from './statement-watch.js';
import { STORAGE_OPTIONS, type StorageOptions } from './storage-options.js';

/** A hand-written statement. The name makes it prepared once per connection, so it must be unique. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Gives the connection up after this long without an answer; absent: the pool's limit. */
  readonly timeoutMs?: number;
}

/** Why the database was asked; the `path` label of `scrollback_database_queries_total`. */
export type QueryPath = 'read' | 'write' | 'coherence';

/** One open transaction. */
export interface Transaction {
  /** Runs a statement in the transaction. */
  query<Row extends QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
  /** Runs a `COPY … FROM STDIN` with rows of {@link copyColumns}, each ended by a line feed. Nothing else may run beside it. */
  copyIn(statement: Statement, rows: Buffer): Promise<void>;
  /** Runs a `COPY … TO STDOUT`. Nothing else may run beside it. */
  copyOut(statement: Statement, sink: CopyOutSink): Promise<void>;
  /**
   * Sends COMMIT behind the statements that are on their way, in the same round trip; nothing may be asked afterwards. When
   * one of them fails, the server rolls back instead. Without this call the end of the work commits.
   */
  commit(): void;
}

/** When the first statements of a transaction are sent: with BEGIN or once it is answered. */
export type FirstStatements = 'with-begin' | 'after-begin';

/** How a transaction is run. */
export interface TransactionOptions {
  /**
   * `with-begin` saves a round trip. Statements that are sent before an earlier one was answered must then write nothing: were
   * BEGIN refused, they would run by themselves. Absent: `after-begin`.
   */
  readonly first?: FirstStatements;
  /**
   * Gives the transaction up when the server answers nothing for this long, in milliseconds; absent: after {@link ANSWER_LIMIT_MS}. For those whose
   * statements may take long `Infinity`: the pool's limit alone holds.
   */
  readonly answerLimitMs?: number;
  /** Tells for whom it is run; asked only when a statement was slow. */
  readonly cause?: () => StatementCause;
  /** A statement that waits longer than this for one lock of somebody else's fails with 55P03; absent: the server's own limit. */
  readonly lockWaitMs?: number;
}

/**
 * A write is given up when the server answers nothing for so long. Too low and a server that is busy loses writes: a lock is waited for 2 s, a full disk or
 * a failover takes up to ten; too high and senders wait for a server that hangs, and give up first.
 */
export const ANSWER_LIMIT_MS = 15_000;

/**
 * Begins a transaction and tells the triggers on the tables that they need not follow what it writes. For the transaction
 * alone: behind a pooler, the connection may be somebody else's next.
 */
const BEGIN_WRITING = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL scrollback.writer = 'application'`;

/**
 * Runs the hot statements on the connection pool of TypeORM's DataSource.
 *
 * @remarks Goes to the pool's `pg` clients directly: TypeORM's `query()` cannot name a statement, so the server would
 * plan every call anew.
 */
@Injectable()
export class Database {
  readonly #counts: Record<QueryPath, number> = { read: 0, write: 0, coherence: 0 };

  readonly #watch: StatementWatch;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    @Optional() @Inject(STORAGE_OPTIONS) options?: Pick<StorageOptions, 'slowSqlMs'>,
  ) {
    this.#watch = new StatementWatch(options?.slowSqlMs ?? 0);
  }

  /** Statements run so far, by path. */
  get counts(): Readonly<Record<QueryPath, number>> {
    return this.#counts;
  }

  /** Runs one statement by itself, in one snapshot. */
  async query<Row extends QueryResultRow>(
    path: QueryPath,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    this.#counts[path]++;
    const { name, text, timeoutMs } = statement;
    const config = {
      name,
      text,
      values: [...values],
      ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs }),
    };
    const watched = this.#watch.begin(name, path);
    const pool = this.#pool;
    try {
      const { rows } = await pool.query<Row>(config);
      this.#watch.end(watched, { rows: rows.length, poolWaiting: pool.waitingCount });
      return rows;
    } catch (error) {
      this.#watch.end(watched, { error, poolWaiting: pool.waitingCount });
      throw error;
    }
  }

  /**
   * Runs `work` in a transaction at READ COMMITTED and commits it.
   *
   * @throws CommitOutcomeUnknownError when the connection broke between COMMIT and its answer, or `work` threw although what it
   * wrote is committed.
   * @throws DatabaseSilentError when the server did not answer in time; nothing is written.
   * @throws what `work` throws; the transaction is then rolled back.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const { lockWaitMs } = options;
    const begin = lockWaitMs === undefined ? BEGIN_WRITING : `${BEGIN_WRITING}; SET LOCAL lock_timeout = ${lockWaitMs}`;
    return this.#transaction(begin, 'write', work, options);
  }

  /** Runs `work`, which only reads, in one snapshot. */
  snapshot<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'read', work, {
      answerLimitMs: Infinity,
    });
  }

  async #transaction<T>(
    begin: string,
    path: QueryPath,
    work: (transaction: Transaction) => Promise<T>,
    { first = 'after-begin', cause, answerLimitMs = ANSWER_LIMIT_MS }: TransactionOptions,
  ): Promise<T> {
    const client = await this.#connect(path, cause);
    const silence = answerLimitMs === Infinity ? undefined : new SilenceLimit(client, answerLimitMs);
    let broken: Error | undefined;
    const noteBroken = (error: Error): void => {
      broken = error;
    };
    client.on('error', noteBroken);
    try {
      const observer: StatementObserver = {
        begin: (name, isCounted) => {
          if (isCounted) this.#counts[path]++;
          return this.#watch.begin(name, path, cause);
        },
        end: (statement, end) => this.#watch.end(statement, end),
      };
      const open = new OpenTransaction(client, begin, observer, silence);
      return await open.run(work, first);
    } catch (error) {
      const isUnknown = error instanceof CommitOutcomeUnknownError;
      if (isUnknown) broken = error;
      if (silence?.isOver === true && !isUnknown) throw new DatabaseSilentError(answerLimitMs, { cause: error });
      throw error;
    } finally {
      silence?.end();
      client.off('error', noteBroken);
      client.release(broken);
    }
  }

  /** Takes a connection of the pool; a long wait for it is named as one for a statement is. */
  async #connect(path: QueryPath, cause: (() => StatementCause) | undefined): Promise<PoolClient> {
    const pool = this.#pool;
    const watched = this.#watch.begin('connect', path, cause);
    try {
      const client = await pool.connect();
      this.#watch.end(watched, { poolWaiting: pool.waitingCount });
      return client;
    } catch (error) {
      this.#watch.end(watched, { error, poolWaiting: pool.waitingCount });
      // It has waited for as long as it may already.
      if (path === 'write' && isConnectTimeout(error)) {
        throw new DatabaseSilentError(CONNECT_TIMEOUT_MS, { cause: error });
      }
      throw error;
    }
  }

  get #pool(): Pool {
    return (this.dataSource.driver as unknown as { readonly master: Pool }).master;
  }
}
