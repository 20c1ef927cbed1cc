import { HttpException } from '@nestjs/common';
import { ERROR_CODES, type ErrorCode, type ErrorCodeEntry } from '../common/error-codes.js';
import { ScrollbackError, type FieldError } from '../common/scrollback-error.js';

/** An error as RFC 9457 describes it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly errors?: readonly FieldError[];
}

/** Where the codes are explained, relative to the server that answers. */
const TYPE_PREFIX = '/problems/';

/** Longest detail: what a caller has sent is not sent back at length. */
const DETAIL_LENGTH = 500;

/** Fastify's codes for requests that never reached a handler. */
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_input',
  FST_ERR_BAD_URL: 'invalid_input',
  FST_ERR_MAX_PARAM_LENGTH: 'invalid_input',
  FST_ERR_ASYNC_CONSTRAINT: 'invalid_input',
};

/** What the framework's statuses are to us. Others below 500 are faults of the caller's too, and `invalid_input`. */
const CODES_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'route_not_found',
  408: 'request_timeout',
  412: 'precondition_failed',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  429: 'rate_limited',
  431: 'headers_too_large',
};

/**
 * Makes the problem that a caller sees of any error. What we did not foresee becomes `internal_error`, without a word
 * of what happened: the log has it.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof ScrollbackError) return problem(error.code, error.message, error.errors);
  const fastifyCode = error instanceof Error && 'code' in error ? FASTIFY_CODES[String(error.code)] : undefined;
  if (fastifyCode !== undefined) return problem(fastifyCode, (error as Error).message);
  const code = codeOf(statusOf(error));
  if (code === 'route_not_found') return problem(code, 'There is no route with this method and path.');
  if (code !== undefined) return problem(code, (error as Error).message);
  return problem('internal_error', 'Something went wrong on our side. The log has the details.');
}

/** Seconds after which a caller may try again, `undefined` if trying again is of no use. */
export function retryAfterSeconds(problem: Problem): number | undefined {
  return (ERROR_CODES[problem.code] as ErrorCodeEntry).retryAfterSeconds;
}

function problem(code: ErrorCode, text: string, errors?: readonly FieldError[]): Problem {
  const detail = text.length <= DETAIL_LENGTH ? text : `${text.slice(0, DETAIL_LENGTH)}…`;
  const { status, title } = ERROR_CODES[code];
  return { type: `${TYPE_PREFIX}${code}`, title, status, detail, code, ...(errors === undefined ? {} : { errors }) };
}

function codeOf(status: number | undefined): ErrorCode | undefined {
  if (status === undefined || !(status >= 400 && status < 500)) return undefined;
  return CODES_BY_STATUS[status] ?? 'invalid_input';
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof Error && 'statusCode' in error) return Number(error.statusCode);
  return undefined;
}
