import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Callers } from '../auth/callers.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import type { Admission } from '../limits/rate-limiter.js';
import { rateHeaders, type RequestLimits } from '../limits/request-limits.js';
import { overload } from '../limits/waiting-answers.js';
import { REQUEST_TIMEOUT } from './broken-request.js';
import type { CrossOrigin } from './cross-origin.js';
import { Refusal } from './refusal.js';
import { RequestsAtWork } from './requests-at-work.js';

/** What is answered however much there is to do: an instance that is busy must not look dead, and must show why it is busy. */
const ALWAYS_ANSWERED = /^\/(health\/|metrics(\?|$))/;

/**
 * How long who is over their limit waits for being told so, in milliseconds. They are told to wait for longer anyway; and who floods the instance
 * gets so many refusals a second for each request that they have on their way, and no more.
 */
const REFUSAL_PAUSE_MS = 100;

/** Refusals that may be waiting; past it they are given at once. */
const MAX_WAITING_REFUSALS = 10_000;

/** Where requests of callers are counted. */
const API_PREFIX = '/v1/';

/**
 * Refuses requests at the door: while there is more to do than can be done, and of callers known to be over their limit, who may go on
 * asking as fast as they can. What is refused here has cost nothing but the reading of its headers; the same within the framework costs several times
 * as much. Bounds connections, too.
 *
 * @param headers - names and values of headers of every answer.
 * @param crossOrigin - what browsers are told of refusals. What they ask before they let a page ask is not refused, but answered as always.
 */
export function guardFrontDoor(
  server: Server,
  callers: Callers,
  limits: RequestLimits,
  headers: readonly string[],
  crossOrigin: CrossOrigin,
): void {
  const { shedder, refusals, answers } = limits;
  const overloaded = new Refusal(overload(), headers);
  const limited = new Refusal(rateLimited(limits), headers);
  const atWork = new RequestsAtWork(shedder, server.requestTimeout);
  let waiting = 0;
  const listeners = server.listeners('request') as ((request: unknown, response: ServerResponse) => void)[];
  server.removeAllListeners('request');
  const letIn = (request: IncomingMessage, response: ServerResponse): void => {
    const url = request.url!;
    const isOverloaded = shedder.isOverloaded || answers.areTooMany;
    if (isOverloaded && !ALWAYS_ANSWERED.test(url) && !crossOrigin.isPreflight(request)) {
      refusals.overload++;
      overloaded.answer(request, response, crossOrigin.headersFor(request));
      return;
    }
    const admission = limits.rateMax > 0 && url.startsWith(API_PREFIX) ? look(request, callers, limits) : undefined;
    if (admission?.isAdmitted === false && !crossOrigin.isPreflight(request)) {
      refusals.rate++;
      const more = [...rateRefusalHeaders(admission, limits), ...crossOrigin.headersFor(request)];
      if (waiting >= MAX_WAITING_REFUSALS) {
        limited.answer(request, response, more);
      } else {
        waiting++;
        setTimeout(() => {
          waiting--;
          limited.answer(request, response, more);
        }, REFUSAL_PAUSE_MS);
      }
      return;
    }
    for (const listener of listeners) listener.call(server, request, response);
    // What was answered from memory is at its end already.
    if (response.writableEnded) return;
    atWork.begin(request.socket, response);
  };
  server.on('request', (request, response) => atWork.inTurn(request, () => letIn(request, response)));
  const brokenListeners = server.listeners('clientError') as ((error: Error, socket: Socket) => void)[];
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const tell = (): void => brokenListeners.forEach((listener) => listener.call(server, error, socket));
    if (error.code !== REQUEST_TIMEOUT || !atWork.excuses(socket, tell)) tell();
  });
  server.on('drop', () => {
    refusals.connections++;
  });
}

/** The error of a caller who is over their limit. */
export function rateLimited({ rateMax }: RequestLimits): ScrollbackError {
  return new ScrollbackError(
    'rate_limited',
    `More than ${rateMax} requests in a window. Wait for Retry-After seconds.`,
  );
}

/** Headers of its answer, as names and values in turn. */
export function rateRefusalHeaders(admission: Admission, { rateMax }: RequestLimits): string[] {
  return [...rateHeaders(admission, rateMax), 'retry-after', String(Math.max(1, Math.ceil(admission.restMs / 1000)))];
}

/** How a caller stands who is known already; `undefined` says nothing. */
function look(request: IncomingMessage, callers: Callers, limits: RequestLimits): Admission | undefined {
  const caller = callers.recall(request.headers);
  if (caller === undefined || !limits.knowsAddressOf(caller)) return undefined;
  return limits.look(caller, request.socket.remoteAddress ?? '');
}
