import { Logger } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { areActivitiesFollowed, runFor } from '../common/activity.js';
import type { LogEvent } from '../common/log-line.js';
import { traceIdOf } from '../common/request-id.js';
import { isTracing, type Span } from '../common/tracing.js';
import type { Metrics } from '../metrics/metrics.js';
import { endRequestSpan, startRequestSpan } from './request-trace.js';

const SPAN = Symbol('span');

interface TracedRequest extends FastifyRequest {
  [SPAN]?: Span | undefined;
}

/**
 * Watches requests from their coming to the end of their answer: their times are counted, slow ones are named in the log, those that are
 * traced have a span, and what is done for one is known to be.
 *
 * @param slowRequestMs - a request that takes so long is named, in milliseconds; 0: none is.
 * @remarks What nobody has asked for is not hooked in, and costs nothing.
 */
export function watchRequests(fastify: FastifyInstance, metrics: Metrics, slowRequestMs: number): void {
  if (isTracing()) fastify.addHook('onRequest', (request, _reply, done) => done(startSpanOf(request)));
  // Behind the body: where it is read, nobody knows for whom.
  if (areActivitiesFollowed()) {
    fastify.addHook('preHandler', (request, _reply, done) => {
      const span = (request as TracedRequest)[SPAN];
      const traceId = span?.traceId ?? traceIdOf(request.headers);
      runFor({ requestIds: [request.id], traceId, span }, done);
    });
  }
  const logger = new Logger('Http');
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.observeRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    const span = (request as TracedRequest)[SPAN];
    if (span !== undefined) endRequestSpan(span, reply.statusCode);
    if (slowRequestMs > 0 && reply.elapsedTime >= slowRequestMs) logger.warn(slowRequest(request, reply, span));
    done();
  });
}

function startSpanOf(request: FastifyRequest): undefined {
  const { method, routeOptions, id, headers } = request;
  (request as TracedRequest)[SPAN] = startRequestSpan(method, routeOptions.url, id, headers);
}

function slowRequest(request: FastifyRequest, reply: FastifyReply, span: Span | undefined): LogEvent {
  const { method, id, headers } = request;
  const route = request.routeOptions.url ?? 'none';
  const ms = Math.round(reply.elapsedTime);
  const cacheStatus = reply.getHeader('cache-status');
  return {
    event: 'slow_request',
    message: `${method} ${route} took ${ms} ms.`,
    method,
    route,
    status: reply.statusCode,
    ms,
    cacheStatus: typeof cacheStatus === 'string' ? cacheStatus : undefined,
    requestId: id,
    traceId: span?.traceId ?? traceIdOf(headers),
  };
}
