/** A migration got no lock on its tables for longer than a start may take. */
export class MigrationBlockedError extends Error {
  override readonly name = 'MigrationBlockedError';

  /**
   * @param holder - a sentence about the session that is in the way, with a space before it; empty when none was seen.
   */
  constructor(waitedMs: number, holder: string, options: ErrorOptions) {
    super(
      `A migration got no lock on its tables for ${Math.round(waitedMs / 1000)} s.${holder} ` +
        'End the transactions that hold them (see pg_locks and pg_stat_activity) and start again: nothing of this migration was done.',
      options,
    );
  }
}
