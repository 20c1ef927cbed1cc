/**
 * The database has not answered a transaction in time, and the connection was broken off. Nothing is written: where COMMIT was on its way, it is a
 * `CommitOutcomeUnknownError` instead. Not to be tried again at once: who has waited once is to be told.
 */
export class DatabaseSilentError extends Error {
  override readonly name = 'DatabaseSilentError';

  constructor(limitMs: number, options?: ErrorOptions) {
    super(`The database has not answered for ${limitMs} ms.`, options);
  }
}
