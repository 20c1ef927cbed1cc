import type { IncomingMessage, ServerResponse } from 'node:http';
import { REQUEST_ID_HEADER, requestIdOf } from '../common/request-id.js';
import type { ScrollbackError } from '../common/scrollback-error.js';
import { problemOf, retryAfterSeconds } from './problem.js';

/** A problem that is told without the framework, and is the same each time. */
export class Refusal {
  readonly #status: number;
  readonly #head: readonly string[];
  readonly #body: string;

  /** @param headers - names and values of headers of every answer. */
  constructor(error: ScrollbackError, headers: readonly string[]) {
    const problem = problemOf(error);
    const retryAfter = retryAfterSeconds(problem);
    this.#status = problem.status;
    this.#body = JSON.stringify(problem);
    this.#head = [
      ...headers,
      ...['content-type', 'application/problem+json; charset=utf-8'],
      ...['content-length', String(Buffer.byteLength(this.#body))],
      ...(retryAfter === undefined ? [] : ['retry-after', String(retryAfter)]),
    ];
  }

  /** Answers a request with it. @param more - names and values of headers of this answer alone. */
  answer(request: IncomingMessage, response: ServerResponse, more: readonly string[] = []): void {
    const head = [...this.#head, ...more, REQUEST_ID_HEADER, requestIdOf(request.headers)];
    response.writeHead(this.#status, head).end(this.#body);
  }
}
