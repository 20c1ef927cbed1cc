/** What went wrong with the embedded database; every message says what to do about it. */
export type EmbeddedDatabaseErrorCode =
  | 'embedded_database_in_use'
  | 'embedded_database_platform_unsupported'
  | 'embedded_database_binaries_unusable'
  | 'embedded_database_account_unusable'
  | 'embedded_database_folder_unusable'
  | 'embedded_database_version_mismatch'
  | 'embedded_database_password_lost'
  | 'embedded_database_init_failed'
  | 'embedded_database_start_failed'
  | 'embedded_database_start_timeout';

/** A failure of the embedded database that a person has to act on. Its message names the folder and the way out. */
export class EmbeddedDatabaseError extends Error {
  override readonly name: string = 'EmbeddedDatabaseError';

  constructor(
    readonly code: EmbeddedDatabaseErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
