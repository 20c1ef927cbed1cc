import { Logger } from '@nestjs/common';
import type { LogEvent, LogFields } from '../common/log-line.js';
import { startSpan, type Span } from '../common/tracing.js';
import type { QueryPath } from './database.js';
import { errorKindOf } from './sqlstate.js';

/** For whom a statement is run. */
export interface StatementCause {
  /** Those of a large batch not all. */
  readonly requestIds: readonly string[];
  readonly operations: number;
  readonly chats: number;
}

/** One statement on its way. */
export interface WatchedStatement {
  readonly name: string;
  readonly path: QueryPath;
  /** When it was sent, by `performance.now()`. */
  readonly sentMs: number;
  readonly span: Span | undefined;
  readonly cause: (() => StatementCause) | undefined;
}

/** How a statement ended. */
export interface StatementEnd {
  /** Rows answered or written; `undefined` where nobody counts them. */
  readonly rows?: number | undefined;
  /** Why it failed; `undefined`: it has not. */
  readonly error?: unknown;
  /**
   * Since when the server has worked on it, by `performance.now()`; absent: since it was sent. Of statements that are sent together each begins
   * when the one before is answered.
   */
  readonly begunMs?: number;
  /** Statements that wait for a connection at that time. */
  readonly poolWaiting?: number;
}

/**
 * Names slow statements in the log and makes spans of those that requests cause. Never sees a parameter.
 */
export class StatementWatch {
  readonly #logger = new Logger('Sql');

  constructor(
    /** A statement that takes so long is named, in milliseconds; 0: none is. */
    private readonly slowMs: number,
  ) {}

  /** Notes that a statement is being sent. @param name - of the statement; never its text. */
  begin(name: string, path: QueryPath, cause?: () => StatementCause): WatchedStatement {
    const span = startSpan(name, 'client', {
      attributes: { 'db.system.name': 'postgresql', 'db.query.summary': name },
    });
    return { name, path, sentMs: performance.now(), span, cause };
  }

  /** Notes its answer. */
  end(
    { name, path, sentMs, span, cause }: WatchedStatement,
    { rows, error, begunMs = sentMs, poolWaiting }: StatementEnd,
  ): void {
    const answeredMs = performance.now();
    const ms = answeredMs - Math.max(begunMs, sentMs);
    if (span !== undefined) {
      if (rows !== undefined) span.set({ 'db.response.returned_rows': rows });
      if (error !== undefined) span.fail(error);
      span.end(answeredMs);
    }
    if (this.slowMs === 0 || ms < this.slowMs) return;
    this.#logger.warn({
      event: 'slow_sql',
      message: `The statement ${name} took ${Math.round(ms)} ms.`,
      statement: name,
      path,
      ms: Math.round(ms),
      rows,
      errorCode: error === undefined ? undefined : errorKindOf(error),
      poolWaiting,
      ...causeFields(cause?.()),
    } satisfies LogEvent);
  }
}

/** Of a request by itself the logger knows the id where it is known. */
function causeFields(cause: StatementCause | undefined): LogFields {
  if (cause === undefined) return {};
  const { requestIds, operations, chats } = cause;
  const [requestId, ...others] = requestIds;
  if (requestId === undefined) return { operations, chats };
  return { ...(others.length === 0 ? { requestId } : { requestIds }), operations, chats };
}
