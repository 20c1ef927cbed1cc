import type { PoolClient, QueryResultRow } from 'pg';
import { CopyInQuery } from './copy-in.js';
import { CopyOutQuery, type CopyOutSink } from './copy-out.js';
import type { FirstStatements, Statement, Transaction } from './database.js';
import type { SilenceLimit } from './silence-limit.js';
import type { StatementEnd, WatchedStatement } from './statement-watch.js';

/**
 * A COMMIT whose answer was lost: it may or may not have happened. What was cached of these chats must go.
 */
export class CommitOutcomeUnknownError extends Error {
  override readonly name = 'CommitOutcomeUnknownError';
}

/** Told of every statement of a transaction, BEGIN and COMMIT included. */
export interface StatementObserver {
  /** @param isCounted - whether somebody has asked for it: not so what begins and ends the transaction. */
  begin(name: string, isCounted: boolean): WatchedStatement;
  end(statement: WatchedStatement, end: StatementEnd): void;
}

/**
 * One transaction on a connection, from BEGIN to its end.
 *
 * Statements are sent as they come and answered in their order. A statement that the server refuses makes it refuse what was sent
 * behind, and turns a COMMIT that was sent behind into a ROLLBACK; so of several errors the first one is the cause, and
 * a server's answer to a statement before COMMIT tells that nothing was committed.
 */
export class OpenTransaction implements Transaction {
  /** Settles when BEGIN is answered. */
  readonly begun: Promise<void>;
  /** Why BEGIN, or else the first statement that failed, has failed. */
  #failure: { readonly error: unknown } | undefined;
  /** Resolves to whether the server has committed; `undefined` before COMMIT is sent. */
  #committed: Promise<boolean> | undefined;
  /** When the last answer came, by `performance.now()`: since then the server works on the next statement. */
  #answeredMs = 0;

  /** Sends BEGIN. @param silence - is told of each answer. */
  constructor(
    private readonly client: PoolClient,
    begin: string,
    private readonly observer: StatementObserver,
    private readonly silence?: SilenceLimit,
  ) {
    this.begun = this.#note(this.#begin(begin));
  }

  /**
   * Runs the work and commits, unless the work has.
   *
   * @param first - whether the work may send statements before BEGIN is answered.
   * @throws what the work throws, or the failure of BEGIN, rolled back; CommitOutcomeUnknownError when that is not known.
   */
  async run<T>(work: (transaction: Transaction) => Promise<T>, first: FirstStatements): Promise<T> {
    let result: T;
    try {
      if (first === 'after-begin') await this.begun;
      result = await work(this);
      await this.begun;
      if (this.#failure !== undefined) throw this.#failure.error;
    } catch (error) {
      const cause = this.#failure?.error ?? error;
      if (this.#committed === undefined) await this.#rollBack();
      else await this.#requireRolledBack(cause);
      throw cause;
    }
    this.commit();
    await this.#requireCommitted();
    return result;
  }

  async query<Row extends QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    this.#requireOpen();
    const config = { ...statement, values: [...values] };
    return (await this.#note(this.#watch(statement.name, true, () => this.client.query<Row>(config)))).rows;
  }

  copyIn(statement: Statement, rows: Buffer): Promise<void> {
    this.#requireOpen();
    const copy = (): Promise<void> =>
      new Promise((resolve, reject) => {
        this.client.query(new CopyInQuery(statement.text, rows, (error) => (error ? reject(error) : resolve())));
      });
    return this.#watch(statement.name, true, copy);
  }

  copyOut(statement: Statement, sink: CopyOutSink): Promise<void> {
    this.#requireOpen();
    const copy = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const query = new CopyOutQuery(statement.text, sink, (error) => {
          const failure = error ?? query.failure;
          if (failure === undefined) resolve();
          else reject(failure);
        });
        this.client.query(query);
      });
    return this.#watch(statement.name, true, copy);
  }

  commit(): void {
    // Were BEGIN refused, COMMIT would be answered as if there had been something to commit.
    if (this.#committed !== undefined || this.#failure !== undefined) return;
    const committing = this.#watch('commit', false, () => this.client.query('COMMIT'));
    this.#committed = committing.then(({ command }) => command === 'COMMIT');
    this.#committed.catch(() => undefined);
  }

  /** A statement sent after BEGIN has failed, or after COMMIT, would run by itself. */
  #requireOpen(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#committed !== undefined) throw new Error('The transaction has been committed.');
  }

  /** Sends a statement at once, and notes how long the server has worked on it. */
  async #watch<T extends { readonly rowCount: number | null } | void>(
    name: string,
    isCounted: boolean,
    send: () => Promise<T>,
  ): Promise<T> {
    const statement = this.observer.begin(name, isCounted);
    try {
      const answer = await send();
      this.observer.end(statement, { rows: answer?.rowCount ?? undefined, begunMs: this.#answeredMs });
      return answer;
    } catch (error) {
      this.observer.end(statement, { error, begunMs: this.#answeredMs });
      throw error;
    } finally {
      this.#answeredMs = performance.now();
      this.silence?.noteAnswer();
    }
  }

  /** A connection that did not answer BEGIN may be inside a transaction, or come to be: nobody may have it after us. */
  async #begin(begin: string): Promise<void> {
    try {
      await this.#watch('begin', false, () => this.client.query(begin));
    } catch (error) {
      if (!isRefusal(error)) this.client.emit('error', error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async #rollBack(): Promise<void> {
    await this.client.query('ROLLBACK').catch((cause: unknown) => {
      // The connection is gone, and with it the transaction.
      this.client.emit('error', cause instanceof Error ? cause : new Error(String(cause)));
    });
  }

  /** To be asked when COMMIT was sent and something before it has failed. */
  async #requireRolledBack(cause: unknown): Promise<void> {
    try {
      if (!(await this.#committed)) return;
    } catch (error) {
      if (isRefusal(error)) return this.#rollBack();
      if (isServerAnswer(cause)) return;
      throw new CommitOutcomeUnknownError('The connection broke while committing.', { cause });
    }
    throw new CommitOutcomeUnknownError('What was committed cannot be told.', { cause });
  }

  async #requireCommitted(): Promise<void> {
    let isCommitted: boolean | undefined;
    try {
      isCommitted = await this.#committed;
    } catch (cause) {
      if (!isRefusal(cause)) throw new CommitOutcomeUnknownError('The connection broke while committing.', { cause });
      // One that was cancelled has not been tried: the transaction is still open, and nobody may have the connection so.
      await this.#rollBack();
      throw cause;
    }
    if (isCommitted !== true) throw new Error('The server has rolled the transaction back.');
  }

  /** Remembers the first failure. Who waits for none of the others' answers is not to be told of theirs. */
  #note<T>(answer: Promise<T>): Promise<T> {
    answer.catch((error: unknown) => {
      this.#failure ??= { error };
    });
    return answer;
  }
}

/** Whether the server has answered, and said no: nothing is committed, and the connection is good once it is rolled back. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && error.severity === 'ERROR';
}

/**
 * Whether the server itself has answered: after a FATAL answer it has read no further. A pooler speaks so too when its own
 * connection to the server breaks, which may have read everything: only what a server says when it throws somebody out counts.
 */
function isServerAnswer(error: unknown): boolean {
  if (isRefusal(error)) return true;
  const isFatal = error instanceof Error && 'severity' in error && error.severity === 'FATAL';
  return isFatal && 'code' in error && /^(57P|25P03)/.test(String(error.code));
}
