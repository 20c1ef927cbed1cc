/** What a start waits for: the database to answer, or its schema to be up to date. */
export type StorageStep = 'database' | 'migration';

/** Follows the start of the storage, and may end it. */
export interface StartWatch {
  /** Ends the start: what was started is stopped, nothing is tried again, and the reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each step as it begins; a database that goes away in between makes it begin anew. */
  readonly onStep?: (step: StorageStep) => void;
}
