import { ScrollbackError } from '../common/scrollback-error.js';
import { CommitOutcomeUnknownError } from './open-transaction.js';
import { isConnectionError } from './sqlstate.js';

/**
 * Passes a result on and turns a lost connection into an error that callers can act on.
 *
 * @throws ScrollbackError `database_unavailable` when the database could not be reached (nothing was written),
 * `write_outcome_unknown` when a commit's answer was lost.
 */
export async function unavailableOnConnectionLoss<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    if (cause instanceof CommitOutcomeUnknownError) {
      throw new ScrollbackError(
        'write_outcome_unknown',
        'The connection to the database broke during the commit. Send it again.',
        undefined,
        { cause },
      );
    }
    if (isConnectionError(cause)) {
      throw new ScrollbackError('database_unavailable', 'The database cannot be reached.', undefined, { cause });
    }
    throw cause;
  }
}
