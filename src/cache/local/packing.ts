import { deflateRawSync, inflateRawSync } from 'node:zlib';

/**
 * How hard to try. The first level makes blocks of real messages 3.4 times smaller, the sixth 3.6 times in half as much time again; a
 * dictionary shared by all blocks gives 3 to 6 % more and costs as much: measured, and not worth it.
 */
const LEVEL = 1;

/**
 * What was unpacked last, for one page at the most: who reads packed blocks and then has them kept unpacked, pays once. These few
 * buffers are in no ledger.
 */
const recent: { readonly packed: Buffer; readonly plain: Buffer }[] = [];

/** Blocks of the largest page. */
const RECENT_LIMIT = 5;

/** Larger ones are not remembered: what they hold would count. */
const RECENT_BYTES = 64 * 1024;

/** Packs bytes by deflate, into a buffer of its own. */
export function pack(plain: Buffer): Buffer {
  const packed = deflateRawSync(plain, { level: LEVEL });
  // zlib's own buffer is larger than what is in it.
  const exact = Buffer.allocUnsafeSlow(packed.length);
  packed.copy(exact);
  return exact;
}

/**
 * Unpacks what {@link pack} has packed.
 *
 * @param plainBytes - what was packed, in bytes.
 */
export function unpack(packed: Buffer, plainBytes: number): Buffer {
  const known = recent.find((each) => each.packed === packed);
  if (known !== undefined) return known.plain;
  const plain = Buffer.allocUnsafeSlow(plainBytes);
  inflateRawSync(packed, { chunkSize: plainBytes + CHUNK_MARGIN }).copy(plain);
  if (plainBytes > RECENT_BYTES) return plain;
  recent.push({ packed, plain });
  if (recent.length > RECENT_LIMIT) recent.shift();
  return plain;
}

/** Forgets what was unpacked. */
export function forgetUnpacked(): void {
  recent.length = 0;
}

/** zlib asks for another chunk when one is full to the last byte. */
const CHUNK_MARGIN = 64;
