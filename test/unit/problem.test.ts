import { HttpException } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { problemOf } from '../../src/http/problem.js';

const CLIENT_ERRORS = Array.from({ length: 100 }, (_unused, at) => 400 + at);

describe('the problem of an error of the framework', () => {
  it('is the caller’s where the framework says so, by whatever status', () => {
    for (const status of CLIENT_ERRORS) {
      for (const error of [new HttpException('no', status), Object.assign(new Error('no'), { statusCode: status })]) {
        const problem = problemOf(error);
        expect([status, problem.code]).not.toEqual([status, 'internal_error']);
        expect([status, Math.floor(problem.status / 100)]).toEqual([status, 4]);
      }
    }
  });

  it.each([
    [400, 400, 'invalid_input'],
    [406, 400, 'invalid_input'],
    [408, 408, 'request_timeout'],
    [412, 412, 'precondition_failed'],
    [416, 416, 'range_not_satisfiable'],
    [431, 431, 'headers_too_large'],
    [500, 500, 'internal_error'],
    [502, 500, 'internal_error'],
    [200, 500, 'internal_error'],
  ])('of status %i has %i and %s', (statusCode, status, code) => {
    expect(problemOf(Object.assign(new Error('no'), { statusCode }))).toMatchObject({ status, code });
  });

  it('is ours for what has no status, or none that is a number', () => {
    for (const statusCode of [undefined, Number.NaN, 'four', null]) {
      expect(problemOf(Object.assign(new Error('no'), { statusCode })).code).toBe('internal_error');
    }
  });
});
