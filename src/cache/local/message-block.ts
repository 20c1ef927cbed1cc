import type { MessageRecord } from '../../storage/records.js';
import { mixHash } from './key-hash.js';
import { pack, unpack } from './packing.js';
import { Resident } from './resident.js';
import { messageJson } from './wire-json.js';

/**
 * Messages per block. Too few and a page is many slices and every block pays its overhead; too many and an edit copies,
 * and a read of history loads, more than anybody asked for.
 */
export const BLOCK_SIZE = 64;

/** Heap that a block costs beside its buffer: the object, its links, its map slot, the ArrayBuffer's own bookkeeping. */
export const BLOCK_OVERHEAD_BYTES = 480;

/** What a block knows of the entry that it is a part of. */
export interface BlockOwner {
  readonly keyHash: number;
  readonly blocks: Map<number, MessageBlock>;
}

/** Bytes of one entry of the offset table. */
const SLOT_BYTES = 4;

/**
 * Messages `index * BLOCK_SIZE + 1` to `(index + 1) * BLOCK_SIZE` of a chat as the JSON that goes to the socket,
 * comma-separated, in one off-heap buffer:
 *
 *     | end of message 1 | end of message 2 | ... (a 32-bit offset for each slot) | {…},{…},{…}   spare |
 *
 * Any run of messages is one slice. A seq without a row (somebody deleted it by hand) ends where its predecessor ends,
 * and a slice over it is still right.
 *
 * Published bytes never change: a socket may still hold a slice. Appending writes behind them, into spare room or a
 * larger copy; replacing makes a new buffer; no buffer is used twice. Buffers are never slices of Node's pool, where one
 * kept slice would hold its 8 KiB neighbours.
 *
 * A block that is not needed often may be packed: then it holds the same buffer deflated, and a reader unpacks a copy. It has to be
 * unpacked before it can be written to.
 */
export class MessageBlock extends Resident {
  /** The entry that it belongs to while it is held; for the store alone. */
  owner: BlockOwner | undefined;
  /** Reads since it was packed; for the store alone. */
  packedUses = 0;
  #buffer: Buffer;
  #slots: number;
  /** Slots in use: the block knows every seq up to `firstSeq + #count - 1`. */
  #count = 0;
  /** Length of the JSON. */
  #length = 0;
  #isPacked = false;

  private constructor(
    readonly index: number,
    slots: number,
    capacity: number,
  ) {
    super();
    this.#slots = slots;
    this.#buffer = Buffer.allocUnsafeSlow(slots * SLOT_BYTES + capacity);
  }

  /**
   * Makes a block of messages in ascending order of seq.
   *
   * @param lastSeq - the chat's newest seq at the version of the messages: a seq up to here without a message is a hole.
   */
  static of(index: number, messages: readonly MessageRecord[], lastSeq: number): MessageBlock {
    const count = Math.max(0, Math.min(lastSeq - index * BLOCK_SIZE, BLOCK_SIZE));
    const encoded = messages.map(messageJson);
    const length = encoded.reduce((sum, json) => sum + Buffer.byteLength(json) + 1, -1);
    const block = new MessageBlock(index, count, Math.max(0, length));
    let next = 0;
    for (let slot = 0; slot < count; slot++) {
      const isPresent = messages[next]?.seq === block.firstSeq + slot;
      block.#push(isPresent ? encoded[next]! : '');
      if (isPresent) next++;
    }
    return block;
  }

  /**
   * Makes a block of messages that are encoded already: the same as {@link of} makes of them.
   *
   * @param ends - where each message ends in `json`, comma-separated, from the block's first seq on.
   * @param json - is copied up to the last end.
   */
  static ofBytes(index: number, ends: Uint32Array, json: Buffer): MessageBlock {
    const length = ends.length === 0 ? 0 : ends[ends.length - 1]!;
    const block = new MessageBlock(index, ends.length, length);
    for (let slot = 0; slot < ends.length; slot++) block.#buffer.writeUInt32LE(ends[slot]!, slot * SLOT_BYTES);
    json.copy(block.#buffer, ends.length * SLOT_BYTES, 0, length);
    block.#count = ends.length;
    block.#length = length;
    return block;
  }

  /** The block of a message. */
  static indexOf(seq: number): number {
    return Math.floor((seq - 1) / BLOCK_SIZE);
  }

  /** Lowest seq that the block may hold. */
  get firstSeq(): number {
    return this.index * BLOCK_SIZE + 1;
  }

  /** Highest seq that the block knows, one less than {@link firstSeq} when it knows none. */
  get endSeq(): number {
    return this.firstSeq + this.#count - 1;
  }

  override get keyHash(): number {
    return mixHash((this.owner?.keyHash ?? 0) + this.index);
  }

  override get bytes(): number {
    return BLOCK_OVERHEAD_BYTES + this.#buffer.length;
  }

  /** Whether it holds its messages deflated. */
  get isPacked(): boolean {
    return this.#isPacked;
  }

  /**
   * Packs the block, unless that gains little.
   *
   * @returns whether it is packed now.
   */
  pack(): boolean {
    const { length } = this.#buffer;
    if (this.#isPacked || length < MIN_PACKED_BYTES) return this.#isPacked;
    const packed = pack(this.#buffer.subarray(0, this.#slots * SLOT_BYTES + this.#length));
    if (packed.length > length * MAX_PACKED_SHARE) return false;
    this.#buffer = packed;
    this.#isPacked = true;
    return true;
  }

  /** Undoes {@link pack}. */
  unpack(): void {
    this.#buffer = this.#plain();
    this.#isPacked = false;
  }

  /** The bytes as they are when nothing is packed. */
  #plain(): Buffer {
    if (!this.#isPacked) return this.#buffer;
    return unpack(this.#buffer, this.#slots * SLOT_BYTES + this.#length);
  }

  /**
   * The messages from one seq to another as comma-separated JSON, without copying unless packed; empty where there are none.
   *
   * @param fromSeq - at least {@link firstSeq}.
   * @param toSeq - at most {@link endSeq}.
   */
  slice(fromSeq: number, toSeq: number): Buffer {
    const buffer = this.#plain();
    const before = endOf(buffer, fromSeq - this.firstSeq - 1);
    const end = endOf(buffer, toSeq - this.firstSeq);
    const start = before === 0 ? 0 : before + 1;
    const data = this.#slots * SLOT_BYTES;
    return end <= before ? EMPTY : buffer.subarray(data + start, data + end);
  }

  /** Adds the message that follows {@link endSeq}, to a block that is not packed. @param json - the message's, for who has it already. */
  append(message: MessageRecord, json = messageJson(message)): void {
    this.#reserve(Buffer.byteLength(json) + 1);
    this.#push(json);
  }

  /** Puts a message's new state in the place of the old one, in a block that is not packed. */
  replace(message: MessageRecord): void {
    const pieces = Array.from({ length: this.#count }, (_unused, slot) => {
      const seq = this.firstSeq + slot;
      return seq === message.seq ? Buffer.from(messageJson(message)) : this.slice(seq, seq);
    });
    this.#slots = pieces.length;
    this.#buffer = Buffer.allocUnsafeSlow(this.#slots * SLOT_BYTES + joinedLength(pieces));
    this.#count = 0;
    this.#length = 0;
    for (const piece of pieces) this.#push(piece);
  }

  /** Makes room for one more slot and some bytes: twice what is there, so that appending stays O(1) per byte. */
  #reserve(bytes: number): void {
    const data = this.#slots * SLOT_BYTES;
    if (this.#count < this.#slots && data + this.#length + bytes <= this.#buffer.length) return;
    const slots = Math.min(BLOCK_SIZE, Math.max(4, this.#count * 2));
    const capacity = Math.max(this.#length + bytes, Math.ceil(this.#length * GROWTH));
    const grown = Buffer.allocUnsafeSlow(slots * SLOT_BYTES + capacity);
    this.#buffer.copy(grown, 0, 0, this.#count * SLOT_BYTES);
    this.#buffer.copy(grown, slots * SLOT_BYTES, data, data + this.#length);
    this.#slots = slots;
    this.#buffer = grown;
  }

  #push(json: string | Buffer): void {
    const data = this.#slots * SLOT_BYTES;
    if (json.length > 0) {
      if (this.#length > 0) this.#length += this.#buffer.write(',', data + this.#length);
      const at = data + this.#length;
      this.#length += typeof json === 'string' ? this.#buffer.write(json, at) : json.copy(this.#buffer, at);
    }
    this.#buffer.writeUInt32LE(this.#length, this.#count * SLOT_BYTES);
    this.#count++;
  }
}

/** Where the JSON up to and including a slot ends. */
function endOf(buffer: Buffer, slot: number): number {
  return slot < 0 ? 0 : buffer.readUInt32LE(slot * SLOT_BYTES);
}

/** Smaller buffers are not worth packing: what a block costs beside its buffer stays. */
const MIN_PACKED_BYTES = 1024;

/** Packed bytes per plain byte from which on the block stays as it is. */
const MAX_PACKED_SHARE = 0.75;

/** Bytes of what is there, with a comma between two. */
function joinedLength(pieces: readonly Buffer[]): number {
  return Math.max(
    0,
    pieces.reduce((sum, piece) => sum + (piece.length > 0 ? piece.length + 1 : 0), -1),
  );
}

/** How much larger a grown buffer is. Less copies more often, more wastes more spare room. */
const GROWTH = 1.5;

const EMPTY = Buffer.alloc(0);
