import type { CacheResult } from './cache-stats.js';

/**
 * An answer as JSON, put together from cached bytes: what a reader gets from the cache. It is of one version of its chat
 * and never changes after it was made, whatever is written later.
 */
export class CachedJson<T> {
  constructor(
    /** The chat's version; 0 where the answer is not of one chat. */
    readonly version: number,
    /** Where the answer came from. */
    readonly source: CacheResult,
    /** What the answer is made of, in order: cached bytes as they are. */
    readonly parts: readonly (string | Buffer)[],
  ) {}

  /** The answer as an object, parsed anew by every call: O(bytes). */
  get value(): T {
    return JSON.parse(this.toBuffer().toString()) as T;
  }

  /** Length of the answer's UTF-8 bytes. */
  get byteLength(): number {
    let length = 0;
    for (const part of this.parts) length += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
    return length;
  }

  /** The parts for who keeps them while others are found: those that hold up much more than they are, as a few messages do a block, copied. */
  keptParts(): (string | Buffer)[] {
    return this.parts.map((part) =>
      typeof part !== 'string' && part.buffer.byteLength > 2 * part.length ? copyOf(part) : part,
    );
  }

  /** The answer's UTF-8 bytes. One copy; messages are not encoded again. */
  toBuffer(): Buffer {
    const bytes = allocate(this.byteLength);
    let at = 0;
    for (const part of this.parts) at += typeof part === 'string' ? bytes.write(part, at) : part.copy(bytes, at);
    return bytes;
  }
}

/**
 * Room for a dozen answers, so that each does not cost an allocation outside the heap and its collection. Larger, and a slow reader
 * of a small answer holds up more.
 */
const SLAB_BYTES = 128 * 1024;

let slab = Buffer.alloc(0);
let used = 0;

/** Takes bytes for an answer from the slab. Nothing is given back: the slab goes when its last answer has been sent. */
function allocate(length: number): Buffer {
  if (length > SLAB_BYTES / 8) return Buffer.allocUnsafeSlow(length);
  if (used + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  used += length;
  return slab.subarray(used - length, used);
}

function copyOf(part: Buffer): Buffer {
  const copy = allocate(part.length);
  part.copy(copy);
  return copy;
}

/** Puts commas between the elements of a JSON array. */
export function joinParts(elements: readonly (string | Buffer)[]): (string | Buffer)[] {
  const parts: (string | Buffer)[] = [];
  for (const element of elements) {
    if (parts.length > 0) parts.push(',');
    parts.push(element);
  }
  return parts;
}
