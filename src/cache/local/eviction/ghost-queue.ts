/**
 * The keys that left last, by 32 bits of each: a table of small buckets that notes with every key the number of its departure.
 * A key counts as remembered while at most so many others have left after it. Nothing is ever taken out: what is too old is
 * not seen, and its slot is taken by the next key of its bucket, the oldest first. So there is no queue to keep in order.
 *
 * Two keys with the same 32 bits are taken for one, and a full bucket forgets early; both cost a hit, never a wrong answer.
 */
export class GhostQueue {
  #hashes = new Int32Array(MIN_BUCKETS * BUCKET_SLOTS);
  /** Number of the departure; 0 is an empty slot. */
  #departures = new Uint32Array(MIN_BUCKETS * BUCKET_SLOTS);
  #buckets = MIN_BUCKETS;
  #departed = 0;

  /** Notes that a key has left. */
  add(hash: number): void {
    if (++this.#departed === MAX_DEPARTURES) this.#clear();
    this.#put(hash, this.#departed);
  }

  /** Whether a key is among the last `count` that left. */
  has(hash: number, count: number): boolean {
    const first = this.#bucketOf(hash);
    for (let at = first; at < first + BUCKET_SLOTS; at++) {
      const departure = this.#departures[at]!;
      if (this.#hashes[at] === hash && departure > 0) return this.#departed - departure < count;
    }
    return false;
  }

  /** Makes room for so many keys. */
  reserve(count: number): void {
    while (count * SLOTS_PER_KEY > this.#buckets * BUCKET_SLOTS && this.#buckets < MAX_BUCKETS) this.#grow();
  }

  #bucketOf(hash: number): number {
    return (hash & (this.#buckets - 1)) * BUCKET_SLOTS;
  }

  #put(hash: number, departure: number): void {
    const first = this.#bucketOf(hash);
    let slot = first;
    for (let at = first; at < first + BUCKET_SLOTS; at++) {
      if (this.#hashes[at] === hash && this.#departures[at]! > 0) {
        slot = at;
        break;
      }
      if (this.#departures[at]! < this.#departures[slot]!) slot = at;
    }
    this.#hashes[slot] = hash;
    this.#departures[slot] = departure;
  }

  #grow(): void {
    const [hashes, departures] = [this.#hashes, this.#departures];
    this.#buckets *= 2;
    this.#hashes = new Int32Array(hashes.length * 2);
    this.#departures = new Uint32Array(hashes.length * 2);
    for (let at = 0; at < hashes.length; at++) if (departures[at]! > 0) this.#put(hashes[at]!, departures[at]!);
  }

  #clear(): void {
    this.#departures.fill(0);
    this.#departed = 1;
  }
}

/** More slots than keys, so that few buckets overflow before their keys are too old anyway. */
const SLOTS_PER_KEY = 1.5;
const BUCKET_SLOTS = 8;
const MIN_BUCKETS = 4;
/** 128 MiB: more keys than that are remembered for a shorter time. */
const MAX_BUCKETS = 1 << 21;
const MAX_DEPARTURES = 0xffffffff;
