import { EmbeddedDatabaseError } from './embedded-database-error.js';

/** Another live process owns the data folder; nothing in the folder was changed. */
export class EmbeddedDatabaseInUseError extends EmbeddedDatabaseError {
  override readonly name = 'EmbeddedDatabaseInUseError';

  /** @param ownerPid - the owner as this process sees it; `undefined` when it runs in another container or machine. */
  constructor(
    readonly dataDir: string,
    readonly ownerPid: number | undefined,
  ) {
    const owner =
      ownerPid === undefined
        ? 'a process that cannot be seen from here (another container?)'
        : ownerPid === process.pid
          ? `this process (pid ${ownerPid})`
          : `process ${ownerPid}`;
    super(
      'embedded_database_in_use',
      `The embedded database in ${dataDir} is in use by ${owner}. ` +
        'Stop it, choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL to share one PostgreSQL between instances.',
    );
  }
}
