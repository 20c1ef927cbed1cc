import { ScrollbackError } from '../../common/scrollback-error.js';
import { CommitOutcomeUnknownError } from '../open-transaction.js';
import { errorCodeOf, isConnectionError, isShortOfResources, isTransient } from '../sqlstate.js';

/** SQLSTATE of a statement that ran into the time limit: it has waited for a lock all that time. */
const QUERY_CANCELED = '57014';

/** The refusal of writes to a chat that somebody else does not let go. */
export function lockedTooLong(): ScrollbackError {
  return new ScrollbackError('database_unavailable', 'Somebody else keeps the chat locked. Nothing was written.');
}

/**
 * What the writers of a batch are told when its transaction failed as a whole.
 *
 * @returns `undefined` for an error that one operation of the batch may have caused by itself.
 */
export function commitError(cause: unknown): ScrollbackError | undefined {
  if (cause instanceof CommitOutcomeUnknownError) {
    return refusal(
      'write_outcome_unknown',
      'The connection to the database broke during the commit. Send it again with the same clientId.',
      cause,
    );
  }
  if (errorCodeOf(cause) === QUERY_CANCELED) {
    return refusal('database_unavailable', 'Somebody else keeps the chat locked. Nothing was written.', cause);
  }
  if (isShortOfResources(cause)) {
    return refusal('database_unavailable', 'The database takes no writes at present. Nothing was written.', cause);
  }
  if (isTransient(cause) || isConnectionError(cause)) {
    return refusal('database_unavailable', 'The database cannot be reached. Nothing was written.', cause);
  }
  return undefined;
}

function refusal(
  code: 'write_outcome_unknown' | 'database_unavailable',
  detail: string,
  cause: unknown,
): ScrollbackError {
  return new ScrollbackError(code, detail, undefined, { cause });
}
