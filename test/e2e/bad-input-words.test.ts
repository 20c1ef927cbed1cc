import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../../src/http/problem.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

describe('what is said of bad input', () => {
  let running: TestInstance;
  let path: string;
  beforeAll(async () => {
    running = await startTestInstance({ MAX_BODY_BYTES: '20000' });
    const { id } = await running.api.createChat({ participants: [{ userId: 'ann' }] });
    path = `/v1/chats/${id}`;
  });
  afterAll(() => running.close());
  const problemOf = async (method: string, rest: string, body?: string): Promise<Problem> =>
    (await running.api.as('ann').request<Problem>(method, path + rest, body)).body;

  const SEQ = 'must be a whole number from 1 to 2^53 - 1';
  it.each([
    ['{"text":"x","replyTo":9007199254740993}', 'replyTo', SEQ],
    ['{"text":"x","replyTo":1e400}', 'replyTo', SEQ],
    ['{"text":"x","replyTo":1.5}', 'replyTo', SEQ],
    ['{"text":"x","replyTo":"1"}', 'replyTo', SEQ],
    [
      '{"text":"x","metadata":{"n":9007199254740993}}',
      'metadata.n',
      'is beyond 2^53 and would lose digits; send it as text',
    ],
    [
      '{"text":"x","metadata":{"n":1e400}}',
      'metadata.n',
      'is beyond 1.8e308, the largest number there is; send it as text',
    ],
    ['{"text":"x","metadata":{"a\\u0000b":1}}', 'metadata.a\\u0000b', 'must not contain NUL (U+0000)'],
  ])('names what is right for the field: %s', async (body, field, message) => {
    expect((await problemOf('POST', '/messages', body)).errors).toEqual([{ field, message }]);
  });

  it('names the limit that a body is beyond', async () => {
    const problem = await problemOf('POST', '/messages', JSON.stringify({ text: 'x'.repeat(20_000) }));
    expect(problem).toMatchObject({
      status: 413,
      detail: 'body: is larger than 20000 bytes (MAX_BODY_BYTES)',
      errors: [{ field: 'body', message: 'is larger than 20000 bytes (MAX_BODY_BYTES)' }],
    });
  });

  it.each(['/v1/chats/%zz', '/v1/users/%ff/chats', `/v1/chats/${randomUUID()}/messages/%`])(
    'names the path that cannot be read: %s',
    async (broken) => {
      const { body } = await running.api.get<Problem>(broken);
      expect(body).toMatchObject({ code: 'invalid_input', errors: [{ field: 'path' }] });
    },
  );
});
