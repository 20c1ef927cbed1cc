import { describe, expect, it } from '@jest/globals';
import { errorFields } from '../../src/common/error-fields.js';
import { redact } from '../../src/common/redact.js';

const FRAME = 'at route (file:///srv/node_modules/@nestjs/core/router.js:3:14)';

describe('a redacted text', () => {
  it.each([
    ['to postgres://ann:s3cret@db:5432/chat failed', 'to postgres://***@db:5432/chat failed'],
    ['redis://:p@ss/word@cache:6379', 'redis://***@cache:6379'],
    ['rediss://ann:p/@/ss@one:6379,two:6379', 'rediss://***@one:6379,two:6379'],
    [`postgres://ann:it's"me"?#%@db/chat`, 'postgres://***@db/chat'],
    ['postgres://ann:file:///a/b@db/chat', 'postgres://***@db/chat'],
    ['file:postgres://ann:s3cret@db/chat', 'file:postgres://***@db/chat'],
    [`file:///srv/a.js:1(redis://:s3cret@cache)`, 'file:///srv/a.js:1(redis://***@cache)'],
    ['https://ann:s3cret@collector.example/v1', 'https://***@collector.example/v1'],
  ])('holds no password: %s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it.each(['at file:///app/main.js:3', FRAME, 'FILE:///srv/@scope/a.js', `${FRAME}\n${FRAME}`])(
    'keeps the paths of files, scopes of packages among them: %s',
    (text) => {
      expect(redact(text)).toBe(text);
    },
  );

  it('keeps the paths in the frames of an error, and hides the password in its message', () => {
    const error = new Error('no answer of postgres://ann:s3cret@db/chat');
    error.stack = `Error: ${error.message}\n    ${FRAME}`;
    expect(errorFields(error)).toMatchObject({ error: 'Error: no answer of postgres://***@db/chat', stack: FRAME });
  });
});
