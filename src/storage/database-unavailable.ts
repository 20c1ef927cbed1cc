import { ScrollbackError } from '../common/scrollback-error.js';
import { CommitOutcomeUnknownError } from './open-transaction.js';
import {
  isBeingRestored,
  isCanceled,
  isConnectionError,
  isLockTimeout,
  isReadOnly,
  isShortOfResources,
  isTransient,
} from './sqlstate.js';

/** What PostgreSQL says of why it has ended a statement, where it speaks English: the SQLSTATE is the same for all. */
const TIMED_OUT = /statement timeout/;
const ASKED_TO = /user request/;

/**
 * Tells why the database has not done what it was asked, in a sentence for callers: whatever may pass without anybody mending
 * a request or this program. For reads and writes alike.
 *
 * @returns `undefined` for an error of another kind.
 */
export function unavailability(error: unknown): string | undefined {
  if (isCanceled(error)) return endOfStatement(error);
  if (isLockTimeout(error)) return 'Somebody else keeps locked what is asked for.';
  if (isReadOnly(error)) return 'The database takes no writes at present.';
  if (isShortOfResources(error)) return 'The database is short of resources.';
  if (isBeingRestored(error)) return 'The database lacks tables: it may be being restored.';
  if (isConnectionError(error)) return 'The database cannot be reached.';
  if (isTransient(error)) return 'The database could not do it beside what others do.';
  return undefined;
}

/**
 * Passes a result on and turns what may pass into an error that callers can act on.
 *
 * @throws ScrollbackError `database_unavailable` (nothing was written), `write_outcome_unknown` when a commit's answer was lost.
 */
export async function orUnavailable<T>(result: Promise<T>): Promise<T> {
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
    const detail = unavailability(cause);
    if (detail !== undefined) throw new ScrollbackError('database_unavailable', detail, undefined, { cause });
    throw cause;
  }
}

function endOfStatement(error: unknown): string {
  const said = error instanceof Error ? error.message : '';
  if (TIMED_OUT.test(said)) return 'The database has ended the statement at its time limit.';
  if (ASKED_TO.test(said)) return 'Somebody has cancelled the statement in the database.';
  return 'The database has ended the statement: it took too long, or somebody has cancelled it.';
}
