/**
 * How often keys were asked for lately, roughly, in a few bits each: a count-min sketch of 4-bit counters.
 *
 * A key has four counters; its frequency is the least of them, because others that share a counter can only raise it. After
 * some uses per key all counters are halved, so that what was popular once is forgotten. The counters of a key are in one block of 64
 * bytes, a line of the processor's cache; each row of four words has one of them.
 *
 * It grows with the number of keys by doubling: every block is copied into both of those that its keys may now be in, so
 * no frequency changes. A sketch that is too small calls every key popular, and then admission is a matter of chance.
 *
 * G. Cormode, S. Muthukrishnan, An improved data stream summary: the count-min sketch, 2005, https://doi.org/10.1016/j.jalgor.2003.12.001
 * G. Einziger, R. Friedman, B. Manes, TinyLFU: A Highly Efficient Cache Admission Policy, 2017, https://doi.org/10.1145/3149371
 */
export class FrequencySketch {
  #words = new Int32Array(MIN_BLOCKS * BLOCK_WORDS);
  #mask = MIN_BLOCKS - 1;
  /** Uses since the counters were halved, and half of those before. */
  #uses = 0;

  /** Memory that it takes. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  /** Makes room for so many keys. */
  reserve(keys: number): void {
    while (keys > (this.#mask + 1) * BLOCK_KEYS && this.#mask + 1 < MAX_BLOCKS) {
      const doubled = new Int32Array(this.#words.length * 2);
      doubled.set(this.#words);
      doubled.set(this.#words, this.#words.length);
      this.#words = doubled;
      this.#mask = this.#mask * 2 + 1;
    }
  }

  /** Counts a use of a key. */
  note(hash: number): void {
    const block = (hash & this.#mask) * BLOCK_WORDS;
    let bits = spread(hash);
    let hasRisen = false;
    for (let row = block; row < block + BLOCK_WORDS; row += ROW_WORDS) {
      const at = row + (bits & 3);
      const shift = bits & 28;
      const word = this.#words[at]!;
      if (((word >>> shift) & MAX_FREQUENCY) < MAX_FREQUENCY) {
        this.#words[at] = word + (1 << shift);
        hasRisen = true;
      }
      bits = rotate(bits);
    }
    if (hasRisen && ++this.#uses >= (this.#mask + 1) * BLOCK_KEYS * USES_PER_KEY) this.#halve();
  }

  /** How often a key was asked for lately: 0 to {@link MAX_FREQUENCY}. */
  frequency(hash: number): number {
    const block = (hash & this.#mask) * BLOCK_WORDS;
    let bits = spread(hash);
    let least = MAX_FREQUENCY;
    for (let row = block; row < block + BLOCK_WORDS; row += ROW_WORDS) {
      const count = (this.#words[row + (bits & 3)]! >>> (bits & 28)) & MAX_FREQUENCY;
      if (count < least) least = count;
      bits = rotate(bits);
    }
    return least;
  }

  #halve(): void {
    const words = this.#words;
    for (let at = 0; at < words.length; at++) words[at] = (words[at]! >>> 1) & 0x77777777;
    this.#uses >>>= 1;
  }
}

/** What a counter of 4 bits can say. */
export const MAX_FREQUENCY = 15;

const ROW_WORDS = 4;
const BLOCK_WORDS = 4 * ROW_WORDS;
/** 16 counters, 8 bytes, for each key: half of them, and the share of keys that look more popular than they are grows fourfold. */
const BLOCK_KEYS = 8;
const MIN_BLOCKS = 4;
/** 64 MiB, 8 million keys. */
const MAX_BLOCKS = 1 << 20;
/** Uses per key until the counters are halved. Fewer, and the rarely used look alike; more, and yesterday's favourites stay. */
const USES_PER_KEY = 10;

/** Bits for the counters that do not follow from those that chose the block. */
function spread(hash: number): number {
  const bits = Math.imul(hash, 0x9e3779b1);
  return bits ^ (bits >>> 15);
}

/** The next row's bits: 2 for the word, 3 for the counter. */
function rotate(bits: number): number {
  return (bits >>> 5) | (bits << 27);
}
