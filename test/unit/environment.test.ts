import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import {
  ConfigurationError,
  ENVIRONMENT_SCHEMA,
  EXIT_BAD_CONFIGURATION,
  idleAccessVariables,
  isPollRare,
  readEnvironment,
} from '../../src/config/environment.js';

/** Variables for which any text is right. */
const FREE_TEXT = ['HOST', 'SCROLLBACK_DATA_DIR', 'SCROLLBACK_KEY', 'AUTH_JWT_ISSUER', 'AUTH_JWT_AUDIENCE'];

const CHECKED = Object.keys(ENVIRONMENT_SCHEMA.shape).filter((name) => !FREE_TEXT.includes(name));

/** A value that is wrong for every checked variable, and would give a secret away. */
const SECRET = 's3cret://hunter2';

const KEY = `backend:${'a1'.repeat(32)}`;

function refusal(variables: Record<string, string>): ConfigurationError {
  try {
    readEnvironment(variables);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('it was expected to be refused');
}

function namesIn(error: ConfigurationError): string[] {
  return error.variables.map(({ name }) => name);
}

describe('the environment', () => {
  it('needs no variable at all', () => {
    const environment = readEnvironment({});
    expect(environment).toMatchObject({ HOST: '127.0.0.1', PORT: 3000, CACHE_MODE: 'on', AUTH_MODE: 'none' });
    expect(environment.CACHE_MAX_BYTES).toBeGreaterThanOrEqual(2 ** 20);
    expect(Number.isSafeInteger(environment.CACHE_MAX_BYTES)).toBe(true);
  });

  it('takes an empty variable for one that is not there', () => {
    const empty = Object.fromEntries(Object.keys(ENVIRONMENT_SCHEMA.shape).map((name) => [name, '']));
    expect(readEnvironment(empty)).toEqual(readEnvironment({}));
  });

  it('leaves variables alone that are somebody else’s', () => {
    expect(readEnvironment({ PATH: '/bin', SCROLLBACK_UNKNOWN: 'x' })).toEqual(readEnvironment({}));
  });

  it('is refused with every wrong variable named once', () => {
    expect(CHECKED.length).toBeGreaterThan(10);
    const error = refusal(Object.fromEntries(CHECKED.map((name) => [name, SECRET])));
    expect(namesIn(error).toSorted()).toEqual(CHECKED.toSorted());
    for (const name of CHECKED) expect(error.message).toContain(`${name}: `);
  });

  it.each(CHECKED)('is refused with a wrong %s alone, by its name', (name) => {
    expect(namesIn(refusal({ [name]: SECRET }))).toEqual([name]);
  });

  it('never has a value in its refusal', () => {
    const error = refusal(Object.fromEntries(CHECKED.map((name) => [name, SECRET])));
    for (const text of [
      error.message,
      String(error),
      error.stack,
      JSON.stringify(error),
      inspect(error, { depth: 9 }),
    ]) {
      expect(text).not.toContain('s3cret');
      expect(text).not.toContain('hunter2');
    }
    const key = refusal({ AUTH_MODE: 'key', AUTH_KEYS: `${KEY},hunter2` });
    expect(namesIn(key)).toEqual(['AUTH_KEYS']);
    expect(inspect(key, { depth: 9 })).not.toMatch(/hunter2|a1a1/);
  });

  it('is refused with numbers that are out of range or not whole', () => {
    for (const value of ['-1', '65536', '3000.5', '1e3', '0x10', ' 1', '9'.repeat(400)]) {
      expect(namesIn(refusal({ PORT: value }))).toEqual(['PORT']);
    }
    expect(namesIn(refusal({ DATABASE_POOL_MAX: '1' }))).toEqual(['DATABASE_POOL_MAX']);
    expect(readEnvironment({ PORT: '0', DATABASE_POOL_MAX: '2' })).toMatchObject({ PORT: 0, DATABASE_POOL_MAX: 2 });
  });

  it('reads sizes with units', () => {
    expect(readEnvironment({ CACHE_MAX_BYTES: '256MiB' }).CACHE_MAX_BYTES).toBe(256 * 2 ** 20);
    for (const value of ['1KiB', '1000PiB', '10constructor']) {
      expect(namesIn(refusal({ CACHE_MAX_BYTES: value }))).toEqual(['CACHE_MAX_BYTES']);
    }
  });

  it('is refused without keys where keys are asked for', () => {
    expect(namesIn(refusal({ AUTH_MODE: 'key' }))).toEqual(['AUTH_KEYS']);
    expect(readEnvironment({ AUTH_MODE: 'key', AUTH_KEYS: `${KEY}, ${KEY}` }).AUTH_KEYS).toEqual([KEY, KEY]);
  });

  it('speaks over Redis where there is one, else over PostgreSQL, and over what it is told', () => {
    const REDIS_URL = 'redis://user:secret@10.0.0.1:6379/,rediss://[::1]:7000';
    expect(readEnvironment({}).COHERENCE_BUS).toBe('postgres');
    expect(readEnvironment({ REDIS_URL }).COHERENCE_BUS).toBe('redis');
    for (const COHERENCE_BUS of ['none', 'postgres', 'redis'] as const) {
      expect(readEnvironment({ REDIS_URL, COHERENCE_BUS }).COHERENCE_BUS).toBe(COHERENCE_BUS);
    }
    expect(readEnvironment({ COHERENCE_BUS: 'none' }).COHERENCE_BUS).toBe('none');
    expect(namesIn(refusal({ COHERENCE_BUS: 'redis' }))).toEqual(['REDIS_URL']);
    for (const wrong of ['redis://', 'redis://a,', 'http://a', 'redis://a:99999', 'a:6379']) {
      expect(namesIn(refusal({ REDIS_URL: wrong }))).toEqual(['REDIS_URL']);
    }
  });

  it('is refused on a public address without authentication, unless that is said to be wanted', () => {
    for (const HOST of ['0.0.0.0', '::', '10.0.0.1', 'chat.example.com', '127.0.0.1.example.com']) {
      expect(namesIn(refusal({ HOST }))).toEqual(['AUTH_MODE']);
      expect(readEnvironment({ HOST, AUTH_ALLOW_INSECURE: 'true' }).HOST).toBe(HOST);
      expect(readEnvironment({ HOST, AUTH_MODE: 'key', AUTH_KEYS: KEY }).HOST).toBe(HOST);
    }
    for (const HOST of ['localhost', '127.0.0.1', '127.8.8.8', '::1'])
      expect(readEnvironment({ HOST }).HOST).toBe(HOST);
  });

  it.each([
    ['a drain as long as the shutdown', { SHUTDOWN_DRAIN_MS: '5000', SHUTDOWN_TIMEOUT_MS: '5000' }],
    ['a drain longer than the shutdown’s default', { SHUTDOWN_DRAIN_MS: '30000' }],
  ])('is refused with %s, by both names', (_what, variables) => {
    const error = refusal(variables);
    expect(namesIn(error)).toEqual(['SHUTDOWN_DRAIN_MS', 'SHUTDOWN_TIMEOUT_MS']);
    for (const { message } of error.variables) expect(message).toMatch(/^must be .* unless set\)$/);
  });

  it('takes times that fit together', () => {
    for (const variables of [{ SHUTDOWN_DRAIN_MS: '4999', SHUTDOWN_TIMEOUT_MS: '5000' }]) {
      expect(readEnvironment(variables)).toBeDefined();
    }
  });

  it('tells polls that are too rare for the bound', () => {
    const isRare = (pollMs: string, boundMs: string): boolean =>
      isPollRare(readEnvironment({ COHERENCE_POLL_MS: pollMs, STALENESS_BOUND_MS: boundMs }));
    expect(isPollRare(readEnvironment({}))).toBe(false);
    expect([isRare('1000', '1999'), isRare('1000', '2000'), isRare('60000', '5000')]).toEqual([true, false, true]);
  });

  it('names what does not fit together beside what is wrong by itself, but not for what is wrong anyway', () => {
    expect(namesIn(refusal({ PORT: 'http', AUTH_MODE: 'key', SHUTDOWN_DRAIN_MS: '30000' }))).toEqual([
      'PORT',
      'AUTH_KEYS',
      'SHUTDOWN_DRAIN_MS',
      'SHUTDOWN_TIMEOUT_MS',
    ]);
    expect(namesIn(refusal({ SHUTDOWN_DRAIN_MS: '30000', SHUTDOWN_TIMEOUT_MS: 'long' }))).toEqual([
      'SHUTDOWN_TIMEOUT_MS',
    ]);
    expect(namesIn(refusal({ AUTH_MODE: 'jwt', AUTH_JWKS_URL: 'x' }))).toEqual(['AUTH_JWKS_URL']);
  });

  it('takes the port of the API for no port of their own for metrics', () => {
    expect(readEnvironment({ METRICS_PORT: '3000' }).METRICS_PORT).toBeUndefined();
    expect(readEnvironment({ PORT: '4000', METRICS_PORT: '4000' }).METRICS_PORT).toBeUndefined();
    expect(readEnvironment({ PORT: '4000', METRICS_PORT: '3000' }).METRICS_PORT).toBe(3000);
    expect(readEnvironment({ PORT: '0', METRICS_PORT: '0' }).METRICS_PORT).toBe(0);
  });

  it('names keys that are set although nobody has to prove who they are', () => {
    const AUTH_JWKS_URL = 'https://issuer.example/keys';
    expect(idleAccessVariables(readEnvironment({}))).toEqual([]);
    expect(idleAccessVariables(readEnvironment({ AUTH_KEYS: KEY, AUTH_JWKS_URL }))).toEqual([
      'AUTH_KEYS',
      'AUTH_JWKS_URL',
    ]);
    expect(idleAccessVariables(readEnvironment({ AUTH_MODE: 'key', AUTH_KEYS: KEY, AUTH_JWKS_URL }))).toEqual([]);
  });

  it('ends the process with EX_CONFIG of sysexits.h', () => {
    expect(EXIT_BAD_CONFIGURATION).toBe(78);
  });
});
