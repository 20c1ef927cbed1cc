import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ERROR_CODES } from '../../src/common/error-codes.js';
import type { Problem } from '../../src/http/problem.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectProblem } from './expect-answer.js';

describe('signposts', () => {
  let running: TestInstance;
  beforeAll(async () => {
    running = await startTestInstance();
  });
  afterAll(() => running.close());

  it('lead from the root to what is there', async () => {
    const { status, body } = await running.api.get<Record<string, string>>('/');
    expect({ status, body }).toEqual({
      status: 200,
      body: { name: 'Scrollback', docs: '/docs', openapi: '/openapi.json', ready: '/health/ready' },
    });
    for (const path of Object.values(body).filter((value) => value.startsWith('/')))
      expect({ path, status: (await running.api.get(path)).status }).not.toEqual({ path, status: 404 });
  });

  it('explain a problem to whoever follows its type', async () => {
    const problem = (await running.api.get<Problem>('/nowhere')).body;
    const { status, body } = await running.api.get(problem.type);
    const { title, advice } = ERROR_CODES.route_not_found;
    expect(status).toBe(200);
    expect(body).toEqual({ type: problem.type, code: 'route_not_found', status: 404, title, advice });
  });

  it.each(Object.keys(ERROR_CODES))('explain %s', async (code) => {
    const { status, body } = await running.api.get(`/problems/${code}`);
    expect({ status, body }).toMatchObject({ status: 200, body: { code } });
  });

  it.each(['nothing', 'Forbidden', 'toString', '__proto__', '%00'])('know no problem called %s', async (code) => {
    expectProblem(await running.api.get(`/problems/${code}`), 404, 'route_not_found');
  });
});
