import type { EvictionPolicy, EvictionPolicyName } from './eviction/eviction-policy.js';
import type { MessageBlock } from './message-block.js';

/** Makes a policy for a number of bytes. */
export type PolicyFactory = (capacityBytes: number) => EvictionPolicy;

/**
 * Part of the bytes of blocks that packed ones may take. They hold three times as many messages in a byte, but a read of one costs as
 * much as answering a request: more of them saves more loads from the database and makes more reads slow.
 */
const PACKED_SHARE = 0.5;

/** Reads of a packed block after which it is kept unpacked: one alone may be somebody who looks something up. */
const UNPACK_AFTER_USES = 2;

/**
 * The held blocks in the order in which they are to go, plain ones and packed ones.
 *
 * A block that has to go is packed first and goes for good only when packed ones take more than their share. Reads bring it back. Both
 * orders are kept by the same kind of policy.
 */
export class BlockShelf {
  readonly #plain: EvictionPolicy;
  readonly #packed: EvictionPolicy;

  constructor(makePolicy: PolicyFactory, capacityBytes: number) {
    this.#plain = makePolicy(capacityBytes);
    this.#packed = makePolicy(capacityBytes * PACKED_SHARE);
  }

  /** Name of the policy. */
  get policy(): EvictionPolicyName {
    return this.#plain.name;
  }

  /** What they are charged together. */
  get bytes(): number {
    return this.#plain.bytes + this.#packed.bytes;
  }

  /** Blocks held. */
  get size(): number {
    return this.#plain.size + this.#packed.size;
  }

  /** Those of them that are packed. */
  get packedCount(): number {
    return this.#packed.size;
  }

  /** Holds a block that is not held. */
  add(block: MessageBlock, place: 'new' | 'cold'): void {
    this.#plain.add(block, place);
  }

  /** Holds a block that a write began, beside the one that it continues. */
  addBeside(block: MessageBlock, before: MessageBlock | undefined): void {
    if (before === undefined || before.isPacked) this.#plain.add(block, 'cold');
    else this.#plain.addBeside(block, before);
  }

  /** Counts a use of a held block. May make it take more bytes, when it is to be plain again. */
  touch(block: MessageBlock): void {
    if (!block.isPacked) {
      this.#plain.touch(block);
    } else if (++block.packedUses < UNPACK_AFTER_USES) {
      this.#packed.touch(block);
    } else {
      this.#packed.remove(block);
      block.unpack();
      this.#plain.add(block, 'new');
    }
  }

  /** Charges a held block that was written to. */
  recharge(block: MessageBlock): void {
    this.#plain.recharge(block);
  }

  /** Lets a held block go. */
  remove(block: MessageBlock): void {
    (block.isPacked ? this.#packed : this.#plain).remove(block);
  }

  /**
   * Makes them take less, by packing one or by letting one go.
   *
   * @param capacityBytes - what blocks may take at present.
   * @returns the one that has gone, `undefined` if one was packed instead.
   */
  shrink(capacityBytes: number): MessageBlock | undefined {
    this.#packed.capacityBytes = capacityBytes * PACKED_SHARE;
    this.#plain.capacityBytes = capacityBytes - Math.min(this.#packed.bytes, this.#packed.capacityBytes);
    if (this.#plain.size === 0 || this.#packed.bytes > this.#packed.capacityBytes) {
      return this.#packed.evict() as MessageBlock;
    }
    const block = this.#plain.evict() as MessageBlock;
    if (!block.pack()) return block;
    block.packedUses = 0;
    this.#packed.add(block, 'new');
    return undefined;
  }
}
