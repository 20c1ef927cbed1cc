import { DatabaseSilentError } from './database-silent-error.js';

/**
 * SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock, and a server that is going
 * down or coming up. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const TRANSIENT = new Set(['40001', '40P01', '57P01', '57P02', '57P03', '53300']);

/** Undefined table, invalid schema name, invalid catalog name. */
const BEING_RESTORED = new Set(['42P01', '3F000', '3D000']);

/** Class 08, connection exception, and what Node says when a socket breaks. */
const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
]);

/** What pg says, without a code, when the pool waited too long, the socket closed under a query, or no answer came. */
const BROKEN_CONNECTION =
  /^(Connection terminated|timeout exceeded when trying to connect|Client (has encountered a connection error|was closed)|Query read timeout)/;

/** What pg says when a connection was not open, or none of the pool free, in time. */
const CONNECT_TIMEOUT = /^(timeout exceeded when trying to connect|Connection terminated due to connection timeout)/;

/** Whether a connection could not be had in time: the database does not answer, or all of the pool are at work. */
export function isConnectTimeout(error: unknown): boolean {
  return error instanceof Error && CONNECT_TIMEOUT.test(error.message);
}

/** The SQLSTATE or Node error code of an error, `undefined` for others. */
export function errorCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What pg says when there was no answer in time. */
const TIMED_OUT = /timeout/;

/** The same for the log, with a name where there is no code: `timeout`, `connection_lost`, `unknown`. */
export function errorKindOf(error: unknown): string {
  const code = errorCodeOf(error);
  if (code !== undefined) return code;
  if (!isConnectionError(error)) return 'unknown';
  return TIMED_OUT.test((error as Error).message) ? 'timeout' : 'connection_lost';
}

/** Whether the database could not be reached, did not answer, or threw the connection out. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof DatabaseSilentError) return true;
  const code = errorCodeOf(error);
  if (code === undefined) return error instanceof Error && BROKEN_CONNECTION.test(error.message);
  return CONNECTION_ERRORS.has(code) || code.startsWith('08') || code.startsWith('57P');
}

/** Whether nothing was written and the same transaction may be tried again. */
export function isTransient(error: unknown): boolean {
  if (error instanceof DatabaseSilentError) return false;
  const code = errorCodeOf(error);
  return (code !== undefined && TRANSIENT.has(code)) || isConnectionError(error);
}

/** Class 53, insufficient resources: connections, memory, room on the disk. */
export function isShortOfResources(error: unknown): boolean {
  return errorCodeOf(error)?.startsWith('53') === true;
}

/** Whether the server takes no writes: a standby after a failover, or a disk that is nearly full. */
export function isReadOnly(error: unknown): boolean {
  return errorCodeOf(error) === '25006';
}

/** Whether a table, a schema or the database is not there, as while a dump is being restored. */
export function isBeingRestored(error: unknown): boolean {
  return BEING_RESTORED.has(errorCodeOf(error) ?? '');
}

/** Whether a statement was ended, by `statement_timeout` or by somebody. */
export function isCanceled(error: unknown): boolean {
  return errorCodeOf(error) === '57014';
}

/** Whether a lock was not to be had within `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return errorCodeOf(error) === '55P03';
}

/** Whether the server ended this transaction because each of two waited for the other. */
export function isDeadlock(error: unknown): boolean {
  return errorCodeOf(error) === '40P01';
}
