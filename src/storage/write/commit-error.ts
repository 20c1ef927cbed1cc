import { ScrollbackError } from '../../common/scrollback-error.js';
import { unavailability } from '../database-unavailable.js';
import { CommitOutcomeUnknownError } from '../open-transaction.js';

/** The refusal of writes to a chat that somebody else does not let go. */
export function lockedTooLong(): ScrollbackError {
  return new ScrollbackError(
    'database_unavailable',
    'Somebody else keeps the chat, or a row of it, locked. Nothing was written.',
  );
}

/**
 * What the writers of a batch are told when its transaction failed as a whole.
 *
 * @returns `undefined` for an error that one operation of the batch may have caused by itself.
 */
export function commitError(cause: unknown): ScrollbackError | undefined {
  if (cause instanceof CommitOutcomeUnknownError) {
    const detail = 'The connection to the database broke during the commit. Send it again with the same clientId.';
    return new ScrollbackError('write_outcome_unknown', detail, undefined, { cause });
  }
  const reason = unavailability(cause);
  if (reason === undefined) return undefined;
  return new ScrollbackError('database_unavailable', `${reason} Nothing was written.`, undefined, { cause });
}
