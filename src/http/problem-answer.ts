import { Logger } from '@nestjs/common';
import { errorFields } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { problemOf, retryAfterSeconds } from './problem.js';

/** The media type of problems. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** A problem as it goes on the wire. */
export interface ProblemAnswer {
  readonly status: number;
  /** Of this answer alone: names and values in turn. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** The request that has failed, for the log. */
export interface FailedRequest {
  readonly method: string;
  /** Its pattern. */
  readonly route: string;
  readonly requestId: string;
  readonly traceId: string | undefined;
}

const logger = new Logger('Http');

/** Makes the answer to a request that has failed, and logs the error when it is a fault of ours. */
export function answerProblem(error: unknown, request: FailedRequest): ProblemAnswer {
  const problem = problemOf(error);
  if (problem.code === 'internal_error') {
    const message = `${request.method} ${request.route} failed by a fault of ours.`;
    logger.error({ event: 'request_failed', message, ...request, ...errorFields(error) } satisfies LogEvent);
  }
  const headers: string[] = [];
  const retryAfter = retryAfterSeconds(problem);
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter));
  if (problem.status === 401) headers.push('www-authenticate', 'Bearer realm="scrollback"');
  headers.push('content-type', PROBLEM_TYPE);
  return { status: problem.status, headers, body: JSON.stringify(problem) };
}
