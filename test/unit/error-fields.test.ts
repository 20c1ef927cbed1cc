import { describe, expect, it } from '@jest/globals';
import { inspect, types } from 'node:util';
import pg from 'pg';
import { errorFields, errorText } from '../../src/common/error-fields.js';

const ROW = 'what-a-user-wrote';

/** An error as PostgreSQL's driver gives it. */
function databaseError(message: string, more: object): Error {
  return Object.assign(new pg.DatabaseError(message, 1, 'error'), {
    severity: 'ERROR',
    detail: `Failing row contains (${ROW}).`,
    where: `COPY message, line 1: "${ROW}"`,
    hint: ROW,
    internalQuery: ROW,
    ...more,
  });
}

describe('what the log says of an error', () => {
  it('is its name, its message, its code and where it was thrown', () => {
    const fields = errorFields(Object.assign(new TypeError('no such thing'), { code: 'ERR_NO_THING' }));
    expect(fields).toEqual({
      error: 'TypeError ERR_NO_THING: no such thing',
      errorCode: 'ERR_NO_THING',
      stack: expect.stringMatching(/^at .*error-fields\.test\.[jt]s:\d+:\d+\)?\n/),
    });
  });

  it('is of one that the database refuses what the schema knows, and nothing of the row', () => {
    const refused = databaseError('new row for relation "message" violates check constraint "no_secrets"', {
      code: '23514',
      constraint: 'no_secrets',
      table: 'message',
    });
    expect(errorFields(refused)).toMatchObject({
      error: 'error 23514: new row for relation "message" violates check constraint "no_secrets"',
      errorCode: '23514',
      constraint: 'no_secrets',
      table: 'message',
    });
    expect(JSON.stringify(errorFields(refused))).not.toContain(ROW);
  });

  it.each([
    ['quotes the value that it cannot read', `invalid input syntax for type integer: "${ROW}"`, { code: '22P02' }],
    ['a trigger raises', ROW, { code: 'P0001', routine: 'exec_stmt_raise' }],
    ['a trigger raises under another name', ROW, { code: '23514', routine: 'exec_stmt_raise' }],
    ['is internal', `unexpected ${ROW}`, { code: 'XX000' }],
  ])('is the code alone where the database %s', (_name, message, more) => {
    const fields = errorFields(databaseError(message, more));
    expect(fields.error).toBe(`error ${more.code}`);
    expect(JSON.stringify(fields)).not.toContain(ROW);
  });

  it.each([
    ['a parser of JSON', () => JSON.parse(`{"text": ${ROW}`)],
    ['Node, of an argument', () => Buffer.concat(ROW as never)],
    ['Node, of an address', () => new URL(`http://[${ROW}`)],
    ['Redis', () => Promise.reject(new Error(`ERR unknown command 'X', with args beginning with: '${ROW}'`))],
  ])('does not repeat what is quoted by %s', async (_name, fail) => {
    const error = await Promise.resolve()
      .then(fail)
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(types.isNativeError(error)).toBe(true);
    expect(inspect(error)).toContain(ROW.slice(0, 3));
    expect(JSON.stringify(errorFields(error))).not.toContain(ROW);
  });

  it('has what caused it, by the same rules', () => {
    const cause = databaseError(`bad value "${ROW}"`, { code: '22000' });
    const fields = errorFields(new Error('The batch failed.', { cause: new Error('no answer', { cause }) }));
    expect(fields.causes).toEqual(['Error: no answer', 'error 22000']);
    const loop = new Error('round');
    loop.cause = loop;
    expect(errorFields(loop).causes).toHaveLength(4);
  });

  it('is of one of several addresses what each has said', () => {
    const refused = (address: string): Error =>
      Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' });
    const all = Object.assign(new AggregateError([refused('::1:5432'), refused('127.0.0.1:5432')]), {
      code: 'ECONNREFUSED',
    });
    expect(errorText(all)).toBe(
      'AggregateError ECONNREFUSED: connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127.0.0.1:5432',
    );
  });

  it('has no frame that its message has made up', () => {
    const fields = errorFields(new Error(`over\n    at ${ROW} (x.js:1:1)`.replace(ROW, 'forged')));
    expect(fields.stack).not.toContain('forged');
  });

  it('has no password', () => {
    expect(errorText(new Error('connect to redis://:hunter2@cache failed'))).toBe(
      'Error: connect to redis://***@cache failed',
    );
  });

  it.each([ROW, { text: ROW }, null, undefined])('tells of a thing that is no error its type: %j', (thrown) => {
    expect(errorText(thrown)).toMatch(/^a thrown (string|object|null|undefined)$/);
  });
});
