import type { z } from 'zod';
import { operationsOf, validatorOf, type OpenApi, type Operation } from '../support/openapi.js';
import type { AbuseRequest } from './request-arbitrary.js';

/** An answer to a request. */
export interface AbuseAnswer {
  readonly status: number;
  readonly type: string | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Problems that any request may meet before its route is known, or because of what HTTP says and not the route. */
const ANYWHERE = [400, 401, 404, 408, 413, 415, 429, 431];

/** Holds answers to what an OpenAPI document says of them. */
export class AnswerJudge {
  readonly #operations: Map<string, Operation>;
  readonly #validators = new Map<string, z.ZodType>();

  constructor(private readonly document: OpenApi) {
    this.#operations = operationsOf(document);
  }

  /** What is wrong with an answer; `undefined`: nothing. */
  judge(request: AbuseRequest, answer: AbuseAnswer): string | undefined {
    const { status } = answer;
    const isTheOperation = request.operation.startsWith(`${request.method} `);
    const responses = this.#operations.get(request.operation)!.responses;
    const described = responses[String(status)];
    if (status >= 500 && (status !== 503 || described === undefined)) return `status ${status}: ${answer.body}`;
    if (status === 503 && !request.operation.includes('/health/') && answer.retryAfter === undefined)
      return '503 without Retry-After';
    if (status === 429 && answer.retryAfter === undefined) return '429 without Retry-After';
    if (request.method === 'HEAD' || request.method === 'OPTIONS') return undefined;
    const isProblem = status >= 400 && !(status === 503 && request.operation.includes('/health/'));
    if (isProblem) {
      if (!ANYWHERE.includes(status) && isTheOperation && described === undefined)
        return `status ${status} is not in the document: ${answer.body}`;
      return this.#check('Problem', { $ref: '#/components/schemas/Problem' }, answer, 'application/problem+json');
    }
    // What another method or another path is answered is another operation's.
    if (!isTheOperation || described === undefined) {
      return isTheOperation && !request.path.includes('..') && described === undefined
        ? `status ${status} is not in the document`
        : undefined;
    }
    const [type, content] = Object.entries(described.content ?? {})[0] ?? [];
    if (content === undefined || type === undefined)
      return answer.body === '' ? undefined : `a body where there is none: ${answer.body}`;
    return this.#check(`${request.operation} ${status}`, content.schema, answer, type);
  }

  #check(
    name: string,
    schema: Parameters<typeof validatorOf>[1],
    answer: AbuseAnswer,
    type: string,
  ): string | undefined {
    if (answer.type?.split(';')[0] !== type) return `type ${answer.type} instead of ${type}`;
    if (!type.includes('json')) return undefined;
    let validator = this.#validators.get(name);
    if (validator === undefined) {
      validator = validatorOf(this.document, schema);
      this.#validators.set(name, validator);
    }
    const { error } = validator.safeParse(JSON.parse(answer.body));
    return error === undefined
      ? undefined
      : `${name} does not match: ${JSON.stringify(error.issues)}: ${answer.body.slice(0, 500)}`;
  }
}
