import { describe, expect, it } from '@jest/globals';
import { connectFailure } from '../../src/storage/connect-failure.js';
import { errorKindOf } from '../../src/storage/sqlstate.js';

const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });

describe('a try to reach the database that fails', () => {
  it('is a line with its reason, and without a stack', () => {
    expect(connectFailure(refused, 3)).toEqual({
      event: 'database_unreachable',
      message: 'The database cannot be reached: Error ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1 (try 3).',
      errorCode: 'ECONNREFUSED',
      attempt: 3,
    });
  });
});

describe('what an error of the database is called', () => {
  it.each([
    ['ECONNREFUSED', refused],
    ['57014', Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' })],
    ['timeout', new Error('Query read timeout')],
    ['timeout', new Error('timeout exceeded when trying to connect')],
    ['timeout', new Error('Connection terminated due to connection timeout')],
    ['connection_lost', new Error('Connection terminated unexpectedly')],
    ['connection_lost', new Error('Client was closed and is not queryable')],
    ['unknown', new Error('something else')],
    ['unknown', 'no error'],
  ])('is %s', (kind, error) => {
    expect(errorKindOf(error)).toBe(kind);
  });
});
