import type { StoragePoolLimits } from './data-source-options.js';
import type { OpenDatabase } from './open-database.js';

/** How {@link StorageModule} finds its database. */
export interface StorageOptions extends StoragePoolLimits {
  /** A PostgreSQL connection URL. Absent: an embedded PostgreSQL in `dataDir`. */
  readonly databaseUrl?: string | undefined;
  /** Folder of the embedded PostgreSQL. */
  readonly dataDir: string;
  /** Operations that may wait for their commit before more are refused with `write_queue_full`. */
  readonly writeQueueMax: number;
  /** A statement that takes so long is named in the log, in milliseconds; 0 or absent: none is. */
  readonly slowSqlMs?: number;
  /** The database, opened before the module is made, which closes it. Absent: the module opens it. */
  readonly database?: OpenDatabase | undefined;
}

/** Injection token of {@link StorageOptions}. */
export const STORAGE_OPTIONS = Symbol('StorageOptions');
