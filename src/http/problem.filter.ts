import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { currentActivity } from '../common/activity.js';
import { REQUEST_ID_HEADER, traceIdOf } from '../common/request-id.js';
import { setHeaders } from './answer.js';
import { badPartOf } from './bad-part.js';
import { callerOf, evenWaitMs } from './even-answers.js';
import { answerProblem } from './problem-answer.js';

/** Answers every error as `application/problem+json`, and logs those that are our fault. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const context = host.switchToHttp();
    const [request, reply] = [context.getRequest<FastifyRequest>(), context.getResponse<FastifyReply>()];
    const waitMs = evenWaitMs(error, callerOf(request), reply.elapsedTime);
    if (waitMs === 0) this.answer(error, request, reply);
    else setTimeout(() => this.answer(error, request, reply), waitMs);
  }

  /** The same for errors of requests that reached no handler. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { status, headers, body } = answerProblem(badPartOf(error, request.routeOptions.bodyLimit) ?? error, {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      requestId: request.id,
      traceId: currentActivity()?.traceId ?? traceIdOf(request.headers),
    });
    // Requests that the framework refuses pass no hook.
    setHeaders(reply, [REQUEST_ID_HEADER, request.id, ...headers]);
    void reply.code(status).send(body);
  }
}
