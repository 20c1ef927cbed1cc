import { describe, expect, it } from '@jest/globals';
import { tellFailedStart } from '../../src/cli/start-failure.js';
import { ConfigurationError } from '../../src/config/environment.js';
import { ListenError } from '../../src/http/listen-error.js';

const wrongVariables = new ConfigurationError([
  { name: 'PORT', message: 'must be a whole number' },
  { name: 'AUTH_KEYS', message: 'must be set when AUTH_MODE is key' },
]);

function told(error: unknown, isTTY = false): string {
  let written = '';
  tellFailedStart(error, { isTTY, write: (text: string) => (written += text) });
  return written;
}

/** The one line that was written, as JSON. */
function line(error: unknown): Record<string, unknown> {
  const written = told(error);
  expect(written.match(/\n/g)).toHaveLength(1);
  return JSON.parse(written) as Record<string, unknown>;
}

describe('a failed start', () => {
  it('is one line of the log with the names of the variables that are wrong', () => {
    expect(line(wrongVariables)).toEqual({
      time: expect.any(String),
      level: 'fatal',
      context: 'Scrollback',
      event: 'start_failed',
      message:
        'The configuration cannot be used: PORT: must be a whole number; AUTH_KEYS: must be set when AUTH_MODE is key',
      variables: ['PORT', 'AUTH_KEYS'],
    });
  });

  it('is text for people on a terminal, a variable a line', () => {
    expect(told(wrongVariables, true)).toBe(
      'The configuration cannot be used:\n  PORT: must be a whole number\n  AUTH_KEYS: must be set when AUTH_MODE is key\n',
    );
  });

  it('has the reason and its code, and where it was thrown only if nobody has foreseen it', () => {
    const missing = Object.assign(new Error('database "chats" does not exist'), { code: '3D000', severity: 'FATAL' });
    expect(line(missing)).toMatchObject({
      event: 'start_failed',
      message: expect.stringContaining('database "chats" does not exist'),
      errorCode: '3D000',
    });
    expect(line(missing)).not.toHaveProperty('stack');
    expect(line(new TypeError('no such thing'))).toMatchObject({ stack: expect.stringMatching(/^at /) });
  });

  it('names the variable of the port that is in use', () => {
    const cause = Object.assign(new Error('listen EADDRINUSE: address already in use'), { code: 'EADDRINUSE' });
    expect(line(new ListenError({ variable: 'METRICS_PORT', port: 9090, host: '127.0.0.1' }, cause))).toMatchObject({
      message: expect.stringContaining('Set METRICS_PORT to'),
      errorCode: 'EADDRINUSE',
    });
  });

  it('tells no password of an address', () => {
    const error = new Error('cannot use postgres://me:hunter2@host/db');
    expect(told(error) + told(error, true)).not.toContain('hunter2');
  });
});
