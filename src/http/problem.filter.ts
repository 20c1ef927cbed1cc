import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { currentActivity } from '../common/activity.js';
import type { ErrorCode } from '../common/error-codes.js';
import { errorFields } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { REQUEST_ID_HEADER, traceIdOf } from '../common/request-id.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { badPartOf } from './bad-part.js';
import { hidesFrom, untilEven } from './even-answers.js';
import { problemOf, retryAfterSeconds } from './problem.js';

/** Codes of answers whose time could tell of chats that their reader is not to know of. */
const HIDING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['chat_not_found', 'answer_too_large']);

/** Answers every error as `application/problem+json`, and logs those that are our fault. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const context = host.switchToHttp();
    const [request, reply] = [context.getRequest<FastifyRequest>(), context.getResponse<FastifyReply>()];
    const mayHide = error instanceof ScrollbackError && HIDING.has(error.code);
    if (mayHide && hidesFrom(request)) void this.#answerEvenly(error, request, reply);
    else this.answer(error, request, reply);
  }

  async #answerEvenly(error: ScrollbackError, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    await untilEven(request, reply);
    this.answer(error, request, reply);
  }

  /** The same for errors of requests that reached no handler. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = problemOf(badPartOf(error, request.routeOptions.bodyLimit) ?? error);
    if (problem.code === 'internal_error') {
      const { method } = request;
      const route = request.routeOptions.url ?? 'none';
      this.#logger.error({
        event: 'request_failed',
        message: `${method} ${route} failed by a fault of ours.`,
        method,
        route,
        requestId: request.id,
        traceId: currentActivity()?.traceId ?? traceIdOf(request.headers),
        ...errorFields(error),
      } satisfies LogEvent);
    }
    // Requests that the framework refuses pass no hook.
    void reply.header(REQUEST_ID_HEADER, request.id);
    const retryAfter = retryAfterSeconds(problem);
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="scrollback"');
    void reply
      .code(problem.status)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify(problem));
  }
}
