import type { IncomingHttpHeaders } from 'node:http';
import { currentTracer, type Span } from '../common/tracing.js';

/** Requests of probes and of Prometheus, of which nobody wants a trace each time. */
const UNTRACED = /^\/(?:health\/|metrics$)/;

/**
 * Begins the span of a request; `undefined` when nobody traces. Addresses are not told: they name users. Of a request that no route
 * takes the method alone is known.
 *
 * @param route - its pattern.
 * @param startedMs - when it came, by `performance.now()`; absent: now.
 */
export function startRequestSpan(
  method: string,
  route: string | undefined,
  requestId: string,
  headers: IncomingHttpHeaders,
  startedMs?: number,
): Span | undefined {
  const tracer = currentTracer();
  if (tracer === undefined || (route !== undefined && UNTRACED.test(route))) return undefined;
  const attributes = {
    'http.request.method': method,
    'url.scheme': 'http',
    'scrollback.request.id': requestId,
    ...(route === undefined ? {} : { 'http.route': route }),
  };
  return tracer.startRequest(route === undefined ? method : `${method} ${route}`, headers, { attributes, startedMs });
}

/** Ends the span of a request: failed when the fault is ours. */
export function endRequestSpan(span: Span, status: number): void {
  span.set({ 'http.response.status_code': status });
  if (status >= 500) span.fail(undefined);
  span.end();
}
