import type { EvictionPolicy, EvictionPolicyName } from './eviction-policy.js';
import { LruPolicy } from './lru.js';
import { S3FifoPolicy } from './s3-fifo.js';
import { SievePolicy } from './sieve.js';
import { WTinyLfuPolicy } from './w-tiny-lfu.js';

/** What is used unless somebody chooses: the best of them in `docs/eviction.md`. */
export const DEFAULT_POLICY: EvictionPolicyName = 'w-tinylfu';

const POLICIES: Record<EvictionPolicyName, new (capacityBytes: number) => EvictionPolicy> = {
  'w-tinylfu': WTinyLfuPolicy,
  's3-fifo': S3FifoPolicy,
  sieve: SievePolicy,
  lru: LruPolicy,
};

/** Makes an empty policy by its name. */
export function makePolicy(name: EvictionPolicyName, capacityBytes: number): EvictionPolicy {
  return new POLICIES[name](capacityBytes);
}
