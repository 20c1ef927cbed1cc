import type { FastifyInstance, FastifyRequest } from 'fastify';
import { areActivitiesFollowed, runFor } from '../common/activity.js';
import { traceIdOf } from '../common/request-id.js';
import { isTracing, type Span } from '../common/tracing.js';
import type { Metrics } from '../metrics/metrics.js';
import { endRequestSpan, startRequestSpan } from './request-trace.js';
import type { SlowRequests } from './slow-requests.js';

const SPAN = Symbol('span');

interface TracedRequest extends FastifyRequest {
  [SPAN]?: Span | undefined;
}

/**
 * Watches requests from their coming to the end of their answer: their times are counted, slow ones are named in the log, those that are
 * traced have a span, and what is done for one is known to be.
 *
 * @remarks What nobody has asked for is not hooked in, and costs nothing.
 */
export function watchRequests(fastify: FastifyInstance, metrics: Metrics, slow: SlowRequests): void {
  if (isTracing()) fastify.addHook('onRequest', (request, _reply, done) => done(startSpanOf(request)));
  // Behind the body: where it is read, nobody knows for whom.
  if (areActivitiesFollowed()) {
    fastify.addHook('preHandler', (request, _reply, done) => {
      const span = (request as TracedRequest)[SPAN];
      const traceId = span?.traceId ?? traceIdOf(request.headers);
      runFor({ requestIds: [request.id], traceId, span }, done);
    });
  }
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const { method, id, headers } = request;
    const { statusCode: status, elapsedTime: ms } = reply;
    metrics.observeRequest(method, route, status, ms / 1000);
    const span = (request as TracedRequest)[SPAN];
    if (span !== undefined) endRequestSpan(span, status);
    if (slow.includes(ms)) {
      const cacheStatus = reply.getHeader('cache-status') as string | undefined;
      const traceId = span?.traceId ?? traceIdOf(headers);
      slow.name({ method, route, status, ms, cacheStatus, requestId: id, traceId });
    }
    done();
  });
}

function startSpanOf(request: FastifyRequest): undefined {
  const { method, routeOptions, id, headers } = request;
  (request as TracedRequest)[SPAN] = startRequestSpan(method, routeOptions.url, id, headers);
}
