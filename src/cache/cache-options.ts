/** What the cache does with reads: answer them (`on`), or let the database answer through the same code (`off`). */
export type CacheMode = 'on' | 'off';

/** Every {@link CacheMode}. */
export const CACHE_MODES = ['on', 'off'] as const satisfies readonly CacheMode[];

/** How the cache behaves. */
export interface CacheOptions {
  readonly mode: CacheMode;
  /** Bytes that everything held may take together. */
  readonly maxBytes: number;
  /** Newest messages of a chat that a fill and warming load. */
  readonly tailMessages: number;
  /** Warming goes on behind once it has taken this long. */
  readonly warmDeadlineMs: number;
  /** Time between two looks for what others have changed in the database. */
  readonly pollMs: number;
}

/** Injection token of {@link CacheOptions}. */
export const CACHE_OPTIONS = Symbol('CacheOptions');
