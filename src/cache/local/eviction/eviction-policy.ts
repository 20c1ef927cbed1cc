import type { Resident } from '../resident.js';

/** Names of the policies, as `CACHE_POLICY` takes them. */
export const EVICTION_POLICIES = ['w-tinylfu', 's3-fifo', 'sieve', 'lru'] as const;

/** Name of an eviction policy. */
export type EvictionPolicyName = (typeof EVICTION_POLICIES)[number];

/**
 * Decides who leaves when there are too many bytes. Holds residents in intrusive lists and keeps the sum of what they are
 * charged. Every operation is O(1), amortised.
 *
 * A policy never takes anybody out by itself: whoever holds it asks {@link evict} while there is too much.
 */
export interface EvictionPolicy {
  readonly name: EvictionPolicyName;
  /** Sum of `chargedBytes` of the residents in it. */
  readonly bytes: number;
  /** Residents in it. */
  readonly size: number;
  /** Bytes that it may hold at present: what the proportions inside it follow. May change at any time. */
  capacityBytes: number;

  /**
   * Takes a resident that is not in it, and charges it.
   *
   * @param place - `new`: a reader has asked for it, which counts as a use. `cold`: nobody has (warming): it is to leave before
   *   everything that somebody asked for, in the order in which such residents came, last come first gone.
   */
  add(resident: Resident, place: 'new' | 'cold'): void;

  /**
   * Takes a resident that came into being by a write, next to one in it that it continues: a write is not a use, so it gets its
   * neighbour's place and not a better one.
   */
  addBeside(resident: Resident, neighbour: Resident): void;

  /** Counts a use of a resident in it. */
  touch(resident: Resident): void;

  /** Charges a resident in it what it takes now. Not a use. */
  recharge(resident: Resident): void;

  /** Takes a resident out that has gone for another reason. Its `chargedBytes` are 0 afterwards. */
  remove(resident: Resident): void;

  /** Chooses who goes next and takes them out; `undefined` when nobody is left. Their `chargedBytes` are 0 afterwards. */
  evict(): Resident | undefined;

  /** From what is to be kept longest to what is to go first, as far as the policy knows. For saving heat; O(size). */
  hottest(): Iterable<Resident>;
}
