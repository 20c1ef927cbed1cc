import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { CopyInQuery } from './copy-in.js';
import { CopyOutQuery, type CopyOutSink } from './copy-out.js';

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
}

/**
 * A COMMIT whose answer was lost: it may or may not have happened. What was cached of these chats must go.
 */
export class CommitOutcomeUnknownError extends Error {
  override readonly name = 'CommitOutcomeUnknownError';
}

/**
 * Begins a transaction and tells the triggers on the tables that they need not follow what it writes. For the transaction
 * alone: behind a pooler, the connection may be somebody else's next.
 */
const BEGIN_WRITING = `BEGIN; SET LOCAL scrollback.writer = 'application'`;

/**
 * Runs the hot statements on the connection pool of TypeORM's DataSource.
 *
 * @remarks Goes to the pool's `pg` clients directly: TypeORM's `query()` cannot name a statement, so the server would
 * plan every call anew.
 */
@Injectable()
export class Database {
  readonly #counts: Record<QueryPath, number> = { read: 0, write: 0, coherence: 0 };

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

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
    const result = await this.#pool.query<Row>(config);
    return result.rows;
  }

  /**
   * Runs `work` in a transaction at READ COMMITTED and commits it.
   *
   * @throws CommitOutcomeUnknownError when the connection broke between COMMIT and its answer.
   * @throws what `work` throws; the transaction is then rolled back.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#transaction(BEGIN_WRITING, 'write', work);
  }

  /** Runs `work`, which only reads, in one snapshot. */
  snapshot<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'read', work);
  }

  async #transaction<T>(begin: string, path: QueryPath, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    const noteBroken = (error: Error): void => {
      broken = error;
    };
    client.on('error', noteBroken);
    try {
      const result = await this.#attempt(client, begin, path, work);
      await this.#commit(client);
      return result;
    } catch (error) {
      if (error instanceof CommitOutcomeUnknownError) broken = error;
      throw error;
    } finally {
      client.off('error', noteBroken);
      client.release(broken);
    }
  }

  async #attempt<T>(
    client: PoolClient,
    begin: string,
    path: QueryPath,
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    await this.#begin(client, begin);
    try {
      return await work({
        query: async (statement, values) => {
          this.#counts[path]++;
          return (await client.query({ ...statement, values: [...values] })).rows;
        },
        copyIn: (statement, rows) => {
          this.#counts[path]++;
          return new Promise((resolve, reject) => {
            client.query(new CopyInQuery(statement.text, rows, (error) => (error ? reject(error) : resolve())));
          });
        },
        copyOut: (statement, sink) => {
          this.#counts[path]++;
          return new Promise((resolve, reject) => {
            const query = new CopyOutQuery(statement.text, sink, (error) => {
              const failure = error ?? query.failure;
              if (failure === undefined) resolve();
              else reject(failure);
            });
            client.query(query);
          });
        },
      });
    } catch (error) {
      await client.query('ROLLBACK').catch((cause: unknown) => {
        // The connection is gone, and with it the transaction.
        client.emit('error', cause instanceof Error ? cause : new Error(String(cause)));
      });
      throw error;
    }
  }

  /** A connection that did not answer BEGIN may be inside a transaction, or come to be: nobody may have it after us. */
  async #begin(client: PoolClient, begin: string): Promise<void> {
    try {
      await client.query(begin);
    } catch (error) {
      if (!isServerError(error)) client.emit('error', error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async #commit(client: PoolClient): Promise<void> {
    try {
      await client.query('COMMIT');
    } catch (cause) {
      if (isServerError(cause)) throw cause;
      throw new CommitOutcomeUnknownError('The connection broke while committing.', { cause });
    }
  }

  get #pool(): Pool {
    return (this.dataSource.driver as unknown as { readonly master: Pool }).master;
  }
}

/** A server's own error carries a severity: the transaction is then known to be rolled back. FATAL is a broken line. */
function isServerError(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && error.severity === 'ERROR';
}
