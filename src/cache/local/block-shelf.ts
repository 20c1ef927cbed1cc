import type { EvictionPolicy, EvictionPolicyName } from './eviction/eviction-policy.js';
import type { MessageBlock } from './message-block.js';
import type { Resident } from './resident.js';

/** Makes a policy for a number of bytes. */
export type PolicyFactory = (capacityBytes: number) => EvictionPolicy;

/** What the shelf has to know of a block. */
export interface Packable extends Resident {
  readonly isPacked: boolean;
  /** Reads since it was packed. */
  packedUses: number;
  pack(): boolean;
  unpack(): void;
}

/**
 * Part of the bytes of blocks that packed ones may take. They hold three times as many messages in a byte, but a read of one costs as
 * much as answering a request: more of them saves more loads from the database and makes more reads slow.
 */
export const PACKED_SHARE = 0.5;

/**
 * Reads of a packed block after which it is kept unpacked. Packing costs as much as three or four reads of a packed block: with fewer,
 * blocks go to and fro; with more, blocks that have become hot stay slow.
 */
const UNPACK_AFTER_USES = 4;

/**
 * The held blocks in the order in which they are to go, plain ones and packed ones.
 *
 * A block that has to go is packed first and goes for good only when packed ones take more than their share. Reads bring it back. Both
 * orders are kept by the same kind of policy.
 */
export class BlockShelf<Block extends Packable = MessageBlock> {
  readonly #plain: EvictionPolicy;
  readonly #packed: EvictionPolicy;

  constructor(
    makePolicy: PolicyFactory,
    capacityBytes: number,
    private readonly packedShare = PACKED_SHARE,
  ) {
    this.#plain = makePolicy(capacityBytes);
    this.#packed = makePolicy(capacityBytes * packedShare);
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
  add(block: Block, place: 'new' | 'cold'): void {
    this.#plain.add(block, place);
  }

  /** Holds a block that a write began, beside the one that it continues. */
  addBeside(block: Block, before: Block | undefined): void {
    if (before === undefined || before.isPacked) this.#plain.add(block, 'cold');
    else this.#plain.addBeside(block, before);
  }

  /** Counts a use of a held block. May make it take more bytes, when it is to be plain again. */
  touch(block: Block): void {
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
  recharge(block: Block): void {
    this.#plain.recharge(block);
  }

  /** Lets a held block go. */
  remove(block: Block): void {
    (block.isPacked ? this.#packed : this.#plain).remove(block);
  }

  /**
   * Makes them take less, by packing one or by letting one go.
   *
   * @param capacityBytes - what blocks may take at present.
   * @returns the one that has gone, `undefined` if one was packed instead.
   */
  shrink(capacityBytes: number): Block | undefined {
    this.#packed.capacityBytes = capacityBytes * this.packedShare;
    this.#plain.capacityBytes = capacityBytes - Math.min(this.#packed.bytes, this.#packed.capacityBytes);
    if (this.#plain.size === 0 || this.#packed.bytes > this.#packed.capacityBytes) {
      return this.#packed.evict() as Block;
    }
    const block = this.#plain.evict() as Block;
    if (this.packedShare === 0 || !block.pack()) return block;
    block.packedUses = 0;
    this.#packed.add(block, 'new');
    return undefined;
  }
}
