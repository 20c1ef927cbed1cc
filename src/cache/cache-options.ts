import type { BusName } from './coherence/bus/coherence-bus.js';
import type { EvictionPolicyName } from './local/eviction/eviction-policy.js';

/**
 * What the cache does with reads: answers them (`on`); lets the database answer through the same code (`off`); or lets the database
 * answer, asks the cache as well and counts where the two differ (`shadow`).
 */
export type CacheMode = 'on' | 'shadow' | 'off';

/** Every {@link CacheMode}. */
export const CACHE_MODES = ['on', 'shadow', 'off'] as const satisfies readonly CacheMode[];

/** How the cache behaves. */
export interface CacheOptions {
  /** The mode at the start; {@link CacheState.mode} is the present one. */
  readonly mode: CacheMode;
  /** Bytes that everything held may take together. */
  readonly maxBytes: number;
  /** Who leaves when there is too much; absent: the best measured. */
  readonly policy?: EvictionPolicyName | undefined;
  /** Newest messages of a chat that a fill and warming load. */
  readonly tailMessages: number;
  /** Warming goes on behind once it has taken this long. */
  readonly warmDeadlineMs: number;
  /** Time between two looks for what others have changed in the database. */
  readonly pollMs: number;
  /** How old what is told as fresh may be at most, in milliseconds; absent: 5000. */
  readonly stalenessBoundMs?: number | undefined;
  /**
   * What readers get when that cannot be told, the database being away: what is held, marked as stale (`serve`, the default), or an error (`refuse`).
   * Users, whose membership it may be that has changed, get an error either way.
   */
  readonly staleReads?: StaleReads | undefined;
  /** How instances on one database tell each other of changes; absent: `none`, they find them by polls. */
  readonly bus?: BusName | undefined;
  /** Where Redis is, for the bus `redis` and the shared cache: the URL of one node, or those of a cluster's nodes with commas between. */
  readonly redisUrl?: string | undefined;
  /** Whether instances share what they have loaded in Redis; absent: `off`. */
  readonly sharedCache?: SharedCache | undefined;
  /** Changes of peers that are applied to a chat which nobody reads here; absent: 32. */
  readonly maxUnseenChanges?: number | undefined;
}

/** What to do with reads that cannot be told to be fresh. */
export type StaleReads = 'serve' | 'refuse';

/** Every {@link StaleReads}. */
export const STALE_READS = ['serve', 'refuse'] as const satisfies readonly StaleReads[];

/** Injection token of {@link CacheOptions}. */
export const CACHE_OPTIONS = Symbol('CacheOptions');

/** How old what is told as fresh may be unless told otherwise, in milliseconds. */
export const DEFAULT_STALENESS_BOUND_MS = 5000;

/**
 * Changes of peers that are applied to a chat which nobody reads here, unless told otherwise. By then they have cost about what it costs to ask the database
 * once for all that is missing, so that in all no more than twice the cheaper of the two is spent, however long it takes until somebody reads it (the ski
 * rental problem: Karlin et al., "Competitive snoopy caching", 1988).
 */
export const DEFAULT_MAX_UNSEEN_CHANGES = 32;

/** Where instances share what they have loaded. */
export type SharedCache = 'off' | 'redis';

/** Every {@link SharedCache}. */
export const SHARED_CACHES = ['off', 'redis'] as const satisfies readonly SharedCache[];
