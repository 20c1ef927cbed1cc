import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, type ApiResponseOptions } from '@nestjs/swagger';
import type { z } from 'zod';
import { describeHeaders, PROBLEM_HEADERS, RATE_HEADERS, type AnswerHeader } from './answer-headers.js';

/** What the OpenAPI document says of a route beyond its input. */
export interface RouteDescription {
  /** `operationId`, such as `messages.list`. */
  readonly id: string;
  readonly summary: string;
  /** Answers that are no errors: a schema, or `null` for one without a body. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  /** Statuses of the problems that the route can answer beside 400, 401, 403, 429 and 503. */
  readonly problems?: readonly number[];
  /** Headers of those answers, beside those that all have. */
  readonly answerHeaders?: readonly AnswerHeader[];
  /** Request headers that the route reads. */
  readonly headers?: readonly ('X-User-Id' | 'Min-Chat-Version' | 'If-None-Match' | 'Idempotency-Key')[];
}

const HEADER_TEXTS = {
  'X-User-Id': 'The user that the service acts for.',
  'Min-Chat-Version': 'Answer with this version of the chat or a later one.',
  'If-None-Match': 'ETag of an earlier answer; 304 if nothing has changed.',
  'Idempotency-Key': 'The clientId, if the body has none.',
} as const;

/** Describes a route for the OpenAPI document. */
export function Route(route: RouteDescription): MethodDecorator {
  const problems = new Set([400, 401, 403, ...(route.problems ?? []), 429, 503]);
  return applyDecorators(
    ApiOperation({ operationId: route.id, summary: route.summary }),
    ...Object.entries(route.answers).map(([status, schema]) =>
      ApiResponse(answerOf(Number(status), schema, route.answerHeaders ?? [])),
    ),
    ...[...problems].map((status) => ApiResponse(problemOf(status, RATE_HEADERS))),
    ...(route.headers ?? []).map((name) =>
      ApiHeader({ name, required: false, description: HEADER_TEXTS[name], schema: { type: 'string' } }),
    ),
  );
}

/** Names statuses of problems that a route can answer, one whose requests are not counted. */
export function Problems(...statuses: readonly number[]): MethodDecorator {
  return applyDecorators(...statuses.map((status) => ApiResponse(problemOf(status))));
}

function problemOf(status: number, headers: readonly AnswerHeader[] = []): ApiResponseOptions {
  return {
    status,
    description: 'Problem',
    headers: describeHeaders([...headers, ...(PROBLEM_HEADERS[status] ?? [])]),
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

function answerOf(status: number, schema: z.ZodType | null, names: readonly AnswerHeader[]): ApiResponseOptions {
  const description = status === 304 ? 'Not modified' : status === 204 ? 'Done' : 'OK';
  // A send that is replayed is told from a new one by its status, too.
  const own = names.filter((name) => name !== 'Idempotency-Replayed' || status === 200);
  const headers = describeHeaders([...own, ...RATE_HEADERS]);
  return schema === null
    ? { status, description, headers }
    : ({ status, description, headers, standardSchema: schema } as unknown as ApiResponseOptions);
}
