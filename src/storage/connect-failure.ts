import { errorText } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { errorKindOf } from './sqlstate.js';

/** The line of one try to reach the database that failed: why, in a word and in a sentence. */
export function connectFailure(error: unknown, attempt: number): LogEvent {
  return {
    event: 'database_unreachable',
    message: `The database cannot be reached: ${errorText(error)} (try ${attempt}).`,
    errorCode: errorKindOf(error),
    attempt,
  };
}
