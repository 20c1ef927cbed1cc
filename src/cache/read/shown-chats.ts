import { hashText, mixHash } from '../local/key-hash.js';

/**
 * Which of a user's chats have been shown, in about 1.25 bits a chat whatever their ids: what an inbox cursor carries, so that
 * paging neither skips nor repeats a chat while chats move, on any instance and with nothing kept on the server.
 *
 * A static function of one bit per key (Chazelle et al., "The Bloomier filter", 2004; peeling as in Botelho et al., "Simple and
 * space-efficient minimal perfect hash functions", 2007): every key has three places in a table of bits, one in each third of it, and
 * its value is their exclusive or. The table is found by taking away, again and again, a key that has a place to itself; in the
 * opposite order each of these places is free to make its key's value right. When no such key is left another seed is tried.
 *
 * For the keys that it was made of it is exact, in both directions. For any other key it says something arbitrary.
 */
export class ShownChats {
  private constructor(
    private readonly seed: number,
    /** Places in each third of the table. */
    private readonly places: number,
    private readonly bits: Uint8Array,
  ) {}

  /** Makes one of all chats of a user. Expected O(chats). */
  static of(chatIds: readonly string[], isShown: (chatId: string) => boolean): ShownChats {
    const places = Math.ceil((chatIds.length * SPACE) / 3) + SPARE;
    for (let seed = 0; seed < MAX_SEEDS; seed++) {
      const bits = solve(chatIds, isShown, seed, places);
      if (bits !== undefined) return new ShownChats(seed, places, bits);
    }
    throw new Error(`No filter of ${chatIds.length} chats was found: are there two of one id?`);
  }

  /** Reads what {@link toBytes} wrote for the same user; `undefined` for anything else. */
  static parse(bytes: Buffer, userId: string): ShownChats | undefined {
    if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== checksum(bytes, userId)) return undefined;
    const places = bytes.readUInt32LE(8);
    if (places === 0 || bytes.length !== HEADER_BYTES + Math.ceil((places * 3) / 8)) return undefined;
    return new ShownChats(bytes.readUInt32LE(4), places, bytes.subarray(HEADER_BYTES));
  }

  /** Whether a chat has been shown. O(1). */
  has(chatId: string): boolean {
    const hash = hashText(chatId, this.seed);
    const other = hashText(chatId, ~this.seed);
    let value = 0;
    for (let third = 0; third < 3; third++) value ^= bitAt(this.bits, placeOf(hash, other, third, this.places));
    return value === 1;
  }

  /** A form to be sent to a user. */
  toBytes(userId: string): Buffer {
    const bytes = Buffer.alloc(HEADER_BYTES + this.bits.length);
    bytes.writeUInt32LE(this.seed, 4);
    bytes.writeUInt32LE(this.places, 8);
    bytes.set(this.bits, HEADER_BYTES);
    bytes.writeUInt32LE(checksum(bytes, userId), 0);
    return bytes;
  }
}

/** Places per key; below 1.222 peeling gets stuck. */
const SPACE = 1.24;

/** Places more in each third, so that a handful of keys finds room as well. */
const SPARE = 8;

/** One seed in a few is enough, unless two ids are the same. */
const MAX_SEEDS = 64;

/** Check sum, seed, places: 32 bits each. */
const HEADER_BYTES = 12;

function solve(
  chatIds: readonly string[],
  isShown: (chatId: string) => boolean,
  seed: number,
  places: number,
): Uint8Array | undefined {
  const size = chatIds.length;
  const placesOf = new Uint32Array(size * 3);
  // Of every place: how many keys have it, and the exclusive or of their numbers, which is the key once there is only one.
  const counts = new Uint32Array(places * 3);
  const keys = new Uint32Array(places * 3);
  for (let key = 0; key < size; key++) {
    const hash = hashText(chatIds[key]!, seed);
    const other = hashText(chatIds[key]!, ~seed);
    for (let third = 0; third < 3; third++) {
      const place = placeOf(hash, other, third, places);
      placesOf[key * 3 + third] = place;
      counts[place]!++;
      keys[place]! ^= key;
    }
  }
  const free: number[] = [];
  for (let place = 0; place < counts.length; place++) if (counts[place] === 1) free.push(place);
  // In the order in which they were taken away: the key, and the place that it had to itself.
  const peeledKeys = new Uint32Array(size);
  const peeledPlaces = new Uint32Array(size);
  let peeled = 0;
  for (let place = free.pop(); place !== undefined; place = free.pop()) {
    if (counts[place] !== 1) continue;
    const key = keys[place]!;
    peeledKeys[peeled] = key;
    peeledPlaces[peeled++] = place;
    for (let at = key * 3; at < key * 3 + 3; at++) {
      const other = placesOf[at]!;
      keys[other]! ^= key;
      if (--counts[other]! === 1) free.push(other);
    }
  }
  if (peeled < size) return undefined;
  const bits = new Uint8Array(Math.ceil((places * 3) / 8));
  while (peeled > 0) {
    const key = peeledKeys[--peeled]!;
    const place = peeledPlaces[peeled]!;
    let value = isShown(chatIds[key]!) ? 1 : 0;
    for (let at = key * 3; at < key * 3 + 3; at++) value ^= bitAt(bits, placesOf[at]!);
    bits[place >> 3]! |= value << (place & 7);
  }
  return bits;
}

/** Two hashes of 32 bits: keys with the same three places could not be told apart, and of 100,000 keys two have one of 32 bits in common. */
function placeOf(hash: number, other: number, third: number, places: number): number {
  const share = (mixHash(hash + Math.imul(third, other | 1)) >>> 0) / 2 ** 32;
  return third * places + Math.floor(share * places);
}

function bitAt(bits: Uint8Array, place: number): number {
  return (bits[place >> 3]! >> (place & 7)) & 1;
}

function checksum(bytes: Buffer, userId: string): number {
  let sum = hashText(userId);
  for (let at = 4; at < bytes.length; at++) sum = Math.imul(sum ^ bytes[at]!, 0x01000193) + at;
  return mixHash(sum) >>> 0;
}
