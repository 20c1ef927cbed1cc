import { mixHash } from '../../src/cache/local/key-hash.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';

/** A row of accesses to objects, numbered densely in the order in which they first appear. */
export interface Trace {
  readonly name: string;
  /** The object of each access. */
  readonly accesses: Uint32Array;
  /** 32 bits of each object's key: {@link Resident.keyHash}. */
  readonly keyHashes: Int32Array;
  /** What the object of each access takes at that time, in bytes. */
  readonly sizes: Uint32Array;
  /** Sum over the objects of the most that each of them takes. */
  readonly workingSetBytes: number;
}

/** Bytes of the median object, where a trace has no sizes of its own. */
const MEDIAN_BYTES = 1000;
/** Width of the log-normal sizes: one in six objects takes more than e times the median, one in six less than 1/e. */
const SIZE_SIGMA = 1;

/** A trace of keys as they are, with made-up sizes: log-normal, by the hash of the key. */
export function traceOf(name: string, keys: Iterable<number | bigint>): Trace {
  const objects = new Map<number | bigint, number>();
  const accesses: number[] = [];
  for (const key of keys) {
    let object = objects.get(key);
    if (object === undefined) {
      object = objects.size;
      objects.set(key, object);
    }
    accesses.push(object);
  }
  const keyHashes = Int32Array.from(objects.keys(), hashKey);
  const objectSizes = Uint32Array.from(keyHashes, logNormalSize);
  return {
    name,
    accesses: Uint32Array.from(accesses),
    keyHashes,
    sizes: Uint32Array.from(accesses, (object) => objectSizes[object]!),
    workingSetBytes: objectSizes.reduce((sum, size) => sum + size, 0),
  };
}

/** The same accesses with every object taking one byte. */
export function withUnitSizes(trace: Trace): Trace {
  return { ...trace, sizes: new Uint32Array(trace.accesses.length).fill(1), workingSetBytes: trace.keyHashes.length };
}

function hashKey(key: number | bigint): number {
  const wide = BigInt(key);
  return mixHash(Number(BigInt.asIntN(32, wide)) ^ mixHash(Number(BigInt.asIntN(32, wide >> 32n))));
}

function logNormalSize(hash: number): number {
  return Math.max(1, Math.round(new SeededRandom(hash).logNormal(MEDIAN_BYTES, SIZE_SIGMA)));
}
