import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { ScrollbackError } from '../common/scrollback-error.js';
import { Refusal } from './refusal.js';

/** Of a server whose answers are all problems: Node's own answer to a request without `Host` is a bare line. */
export const NO_BARE_ANSWERS = { requireHostHeader: false } as const;

/**
 * Refuses with problems what Node refuses with bare lines: requests of HTTP/1.1 without a `Host`, and those that expect what nobody does.
 *
 * @param server - one made with {@link NO_BARE_ANSWERS}, that has its listeners of requests already.
 * @param headers - names and values of headers of every answer.
 * @param headersFor - names and values of further headers of the answer to a request.
 */
export function refuseUnmetDemands(
  server: Server,
  headers: readonly string[],
  headersFor: (request: IncomingMessage) => readonly string[] = () => [],
): void {
  const hostless = new Refusal(new ScrollbackError('invalid_input', 'The request has no Host.'), headers);
  const unmet = new Refusal(new ScrollbackError('expectation_failed', 'Nobody meets what Expect demands.'), headers);
  const refuseHostless = (request: IncomingMessage, response: ServerResponse): void => {
    hostless.answer(request, response, [...headersFor(request), 'connection', 'close']);
  };
  const listeners = server.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (lacksHost(request)) refuseHostless(request, response);
    else for (const listener of listeners) listener.call(server, request, response);
  });
  server.on('checkExpectation', (request, response) => {
    if (lacksHost(request)) refuseHostless(request, response);
    else unmet.answer(request, response, headersFor(request));
  });
}

/** Whether it has none and must have one. */
function lacksHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host === undefined && httpVersion === '1.1';
}
