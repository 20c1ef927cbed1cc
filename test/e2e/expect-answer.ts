import { expect } from '@jest/globals';
import type { z } from 'zod';
import { problemSchema } from '../../src/chat/wire-schemas.js';
import type { ApiAnswer } from '../support/api-client.js';
import type { TestDatabase } from '../support/test-database.js';

/** The body of an answer, which must have one of the statuses. */
export async function bodyOf<T>(answer: Promise<ApiAnswer<T>>, ...statuses: number[]): Promise<T> {
  const { status, body } = await answer;
  expect({ status, body }).toEqual({ status: statuses.includes(status) ? status : statuses, body });
  return body;
}

/** Holds an answer to what every problem must be, and to a status and a code. */
export function expectRefused(answer: ApiAnswer<unknown>, status: number, code: string): z.infer<typeof problemSchema> {
  const { body } = answer;
  expect({ status: answer.status, body }).toEqual({ status, body: expect.objectContaining({ status, code }) });
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const problem = problemSchema.parse(body);
  expect(problem.type).toBe(`/problems/${code}`);
  expect(problem.detail).not.toBe('');
  return problem;
}

/** The same, and the fields that it names. */
export function expectProblem(
  answer: ApiAnswer<unknown>,
  status: number,
  code: string,
  fields: readonly string[] = [],
): void {
  const problem = expectRefused(answer, status, code);
  expect([...new Set(problem.errors?.map(({ field }) => field))]).toEqual(fields);
}

/** Holds a value to a schema of the API, unknown fields refused, and gives it. */
export function expectShape<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const { error, data } = schema.safeParse(value);
  expect(error?.issues ?? []).toEqual([]);
  return data as z.infer<T>;
}

/** A text as a header's value: `fetch` takes bytes written as Latin-1, the API reads them as UTF-8. */
export function headerText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The counts of rows, and of version steps, that a refused request must leave as they are. */
export async function rowCounts(database: TestDatabase): Promise<Record<string, unknown>> {
  const [row] = await database.query(`
    SELECT (SELECT count(*) FROM chat) AS chats, (SELECT count(*) FROM message) AS messages,
      (SELECT count(*) FROM message_edit) AS edits, (SELECT count(*) FROM participant) AS participants,
      (SELECT count(*) FROM reaction) AS reactions, (SELECT sum(version) FROM chat_head) AS versions`);
  if (row === undefined) throw new Error('a count has no row');
  return row;
}
