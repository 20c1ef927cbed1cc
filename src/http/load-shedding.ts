import type { Server, ServerResponse } from 'node:http';
import { requestIdOf, REQUEST_ID_HEADER } from '../common/request-id.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import type { RequestLimits } from '../limits/request-limits.js';
import { problemOf, retryAfterSeconds } from './problem.js';

/** What is answered however much there is to do: an instance that is busy must not look dead, and must show why it is busy. */
const ALWAYS_ANSWERED = /^\/(health\/|metrics(\?|$))/;

/**
 * Refuses requests at the door while there is more to do than can be done, and bounds connections. What it refuses has cost nothing but
 * the reading of its headers.
 *
 * @param headers - names and values of headers of every answer.
 */
export function shedLoad(server: Server, limits: RequestLimits, headers: readonly string[]): void {
  const { shedder, refusals } = limits;
  const problem = problemOf(
    new ScrollbackError('overloaded', 'There is more to do than this instance can. Nothing was done.'),
  );
  const body = JSON.stringify(problem);
  const head = [
    ...headers,
    ...['content-type', 'application/problem+json; charset=utf-8', 'content-length', String(Buffer.byteLength(body))],
    ...['retry-after', String(retryAfterSeconds(problem))],
  ];
  const listeners = server.listeners('request') as ((request: unknown, response: ServerResponse) => void)[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (shedder.isOverloaded && !ALWAYS_ANSWERED.test(request.url!)) {
      refusals.overload++;
      response.writeHead(problem.status, [...head, REQUEST_ID_HEADER, requestIdOf(request.headers)]).end(body);
      return;
    }
    for (const listener of listeners) listener.call(server, request, response);
    // What was answered from memory is at its end already.
    if (response.writableEnded) return;
    shedder.begin();
    response.once('close', () => shedder.end());
  });
  server.on('drop', () => {
    refusals.connections++;
  });
}
