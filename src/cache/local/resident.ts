/**
 * Something that takes bytes of the budget and has a place in the order of eviction. What the order needs is inside: moving a
 * resident to the front is a few assignments, where re-inserting it into a `Map` costs microseconds.
 */
export abstract class Resident {
  /** Neighbours in one of the policy's lists; `undefined` at the ends and outside. For the policy alone. */
  newer: Resident | undefined;
  older: Resident | undefined;
  /** Which of the policy's lists it is in, and what the policy notes of its uses. For the policy alone. */
  list = 0;
  uses = 0;
  /** What the ledger holds for this resident; 0 while it is not held. Set by the policy that holds it. */
  chargedBytes = 0;

  /** What it takes now, overhead included. */
  abstract get bytes(): number;

  /** 32 bits that spread evenly over keys: what a policy remembers of a key that is gone. */
  abstract get keyHash(): number;
}
