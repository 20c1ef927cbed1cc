import type { EvictionPolicy } from '../../src/cache/local/eviction/eviction-policy.js';
import { Resident } from '../../src/cache/local/resident.js';
import type { Trace } from './trace.js';

/** An object of a trace, as a cache holds it. */
class SimulatedObject extends Resident {
  isHeld = false;
  bytes = 0;

  constructor(readonly keyHash: number) {
    super();
  }
}

/** Replays a trace through a policy as the store drives it, and counts the accesses that were served from memory. */
export function simulateHits(trace: Trace, policy: EvictionPolicy): number {
  const { accesses, sizes } = trace;
  const objects = Array.from(trace.keyHashes, (hash) => new SimulatedObject(hash));
  let hits = 0;
  for (let at = 0; at < accesses.length; at++) {
    const object = objects[accesses[at]!]!;
    object.bytes = sizes[at]!;
    if (object.isHeld) {
      hits++;
      if (object.chargedBytes !== object.bytes) policy.recharge(object);
      policy.touch(object);
    } else {
      object.isHeld = true;
      policy.add(object, 'new');
    }
    while (policy.bytes > policy.capacityBytes) (policy.evict() as SimulatedObject).isHeld = false;
  }
  return hits;
}
