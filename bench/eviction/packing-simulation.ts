import { BlockShelf } from '../../src/cache/local/block-shelf.js';
import { makePolicy } from '../../src/cache/local/eviction/policies.js';
import { BLOCK_OVERHEAD_BYTES } from '../../src/cache/local/message-block.js';
import { Resident } from '../../src/cache/local/resident.js';
import type { Trace } from './trace.js';

/** Bytes of a packed block per byte of a plain one, beside what every block costs; `npm run bench -- memory` measures it. */
const PACKED_RATIO = 0.3;

/** Smaller blocks stay as they are, as those of the server do. */
const MIN_PACKED_BYTES = 1024;

/** How the accesses of a trace were served, and how often a block was packed. */
export interface PackingReplay {
  readonly plainHits: number;
  readonly packedHits: number;
  readonly packings: number;
}

class SimulatedBlock extends Resident {
  isHeld = false;
  isPacked = false;
  packedUses = 0;
  plainBytes = 0;

  constructor(
    readonly keyHash: number,
    private readonly onPack: () => void,
  ) {
    super();
  }

  override get bytes(): number {
    const json = this.plainBytes - BLOCK_OVERHEAD_BYTES;
    return this.isPacked ? BLOCK_OVERHEAD_BYTES + Math.ceil(json * PACKED_RATIO) : this.plainBytes;
  }

  pack(): boolean {
    if (this.plainBytes - BLOCK_OVERHEAD_BYTES < MIN_PACKED_BYTES) return false;
    this.isPacked = true;
    this.onPack();
    return true;
  }

  unpack(): void {
    this.isPacked = false;
  }
}

/** Replays a trace of blocks through the shelf of the server, with a part of the bytes for packed ones. */
export function replayPacked(trace: Trace, capacityBytes: number, packedShare: number): PackingReplay {
  const shelf = new BlockShelf<SimulatedBlock>((bytes) => makePolicy('w-tinylfu', bytes), capacityBytes, packedShare);
  let [plainHits, packedHits, packings] = [0, 0, 0];
  const blocks = Array.from(trace.keyHashes, (hash) => new SimulatedBlock(hash, () => packings++));
  for (let at = 0; at < trace.accesses.length; at++) {
    const block = blocks[trace.accesses[at]!]!;
    const bytes = trace.sizes[at]!;
    // It has been written to since it was packed: then it has been dropped.
    if (block.isHeld && block.isPacked && block.plainBytes !== bytes) {
      shelf.remove(block);
      block.isHeld = false;
    }
    const isGrown = block.plainBytes !== bytes;
    block.plainBytes = bytes;
    if (block.isHeld) {
      if (block.isPacked) packedHits++;
      else plainHits++;
      if (isGrown) shelf.recharge(block);
      shelf.touch(block);
    } else {
      block.isHeld = true;
      block.isPacked = false;
      shelf.add(block, 'new');
    }
    while (shelf.bytes > capacityBytes) {
      const gone = shelf.shrink(capacityBytes);
      if (gone !== undefined) gone.isHeld = false;
    }
  }
  return { plainHits, packedHits, packings };
}
