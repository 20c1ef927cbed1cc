import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FrequencySketch } from '../../src/cache/local/eviction/frequency-sketch.js';
import { makePolicy } from '../../src/cache/local/eviction/policies.js';
import { SampleResident } from './sample-resident.js';

/** Said as plainly as can be, on arrays from the newest to the oldest, without a thought of cost. */
interface Model {
  add(resident: SampleResident): void;
  touch(resident: SampleResident): void;
  evict(): SampleResident | undefined;
}

const CAPACITY = 100;

function take<T>(list: T[], one: T): T {
  list.splice(list.indexOf(one), 1);
  return one;
}

function bytesOf(list: readonly SampleResident[]): number {
  return list.reduce((sum, { bytes }) => sum + bytes, 0);
}

class SieveModel implements Model {
  readonly #queue: SampleResident[] = [];
  readonly #marked = new Set<SampleResident>();
  #hand: SampleResident | undefined;

  add(resident: SampleResident): void {
    this.#queue.unshift(resident);
  }

  touch(resident: SampleResident): void {
    this.#marked.add(resident);
  }

  evict(): SampleResident | undefined {
    const queue = this.#queue;
    let at = this.#hand === undefined ? queue.length - 1 : queue.indexOf(this.#hand);
    while (queue.length > 0 && this.#marked.delete(queue[at]!)) at = at === 0 ? queue.length - 1 : at - 1;
    this.#hand = queue[at - 1];
    return queue.splice(at, 1)[0];
  }
}

class S3FifoModel implements Model {
  readonly #small: SampleResident[] = [];
  readonly #main: SampleResident[] = [];
  readonly #uses = new Map<SampleResident, number>();
  #ghosts: number[] = [];

  add(resident: SampleResident): void {
    const remembered = this.#ghosts.slice(0, this.#small.length + this.#main.length);
    (remembered.includes(resident.name) ? this.#main : this.#small).unshift(resident);
    this.#uses.set(resident, 0);
  }

  touch(resident: SampleResident): void {
    this.#uses.set(resident, Math.min(3, this.#uses.get(resident)! + 1));
  }

  evict(): SampleResident | undefined {
    for (;;) {
      const isFromSmall = this.#small.length > 0 && (this.#main.length === 0 || bytesOf(this.#small) > CAPACITY / 10);
      const oldest = (isFromSmall ? this.#small : this.#main).pop();
      if (oldest === undefined) return undefined;
      const uses = this.#uses.get(oldest)!;
      if (uses < (isFromSmall ? 2 : 1)) {
        // A key that is remembered still has its place by its last departure; those before it count as departures.
        if (isFromSmall)
          this.#ghosts = [oldest.name, ...this.#ghosts.map((each) => (each === oldest.name ? -1 : each))];
        return oldest;
      }
      this.#uses.set(oldest, isFromSmall ? 0 : uses - 1);
      this.#main.unshift(oldest);
    }
  }
}

class WTinyLfuModel implements Model {
  readonly #window: SampleResident[] = [];
  readonly #probation: SampleResident[] = [];
  readonly #protected: SampleResident[] = [];
  readonly #sketch = new FrequencySketch();
  readonly #lastHits = new Map<SampleResident, number>();
  #hits = 0;

  add(resident: SampleResident): void {
    this.#sketch.reserve(this.#size + 1);
    this.#note(resident);
    this.#window.unshift(resident);
    this.#fillMain();
  }

  touch(resident: SampleResident): void {
    this.#hits++;
    this.#note(resident);
    if (this.#window.includes(resident)) {
      this.#window.unshift(take(this.#window, resident));
      return;
    }
    const from = this.#probation.includes(resident) ? this.#probation : this.#protected;
    this.#protected.unshift(take(from, resident));
    if (from === this.#protected) return;
    while (bytesOf(this.#protected) > CAPACITY * 0.8 * 0.7 && this.#protected.length > 1) {
      this.#probation.unshift(this.#protected.pop()!);
    }
  }

  evict(): SampleResident | undefined {
    this.#fillMain();
    const isMainWithin = bytesOf(this.#main) <= CAPACITY * 0.8;
    const candidate = bytesOf(this.#window) > CAPACITY * 0.2 ? this.#window.at(-1) : undefined;
    const victim = this.#leastWorthy();
    if (candidate === undefined || !isMainWithin) return this.#leave(victim ?? this.#window.at(-1));
    if (victim === undefined || candidate.bytes > CAPACITY * 0.8) return this.#leave(candidate);
    if (this.#worth(candidate) < this.#worth(victim)) return this.#leave(candidate);
    this.#probation.unshift(take(this.#window, candidate));
    return this.#leave(victim);
  }

  get #main(): SampleResident[] {
    return [...this.#probation, ...this.#protected];
  }

  get #size(): number {
    return this.#window.length + this.#main.length;
  }

  #leave(resident: SampleResident | undefined): SampleResident | undefined {
    const list = [this.#window, this.#probation, this.#protected].find((each) => each.includes(resident!));
    return list === undefined ? undefined : take(list, resident);
  }

  #fillMain(): void {
    while (bytesOf(this.#window) > CAPACITY * 0.2) {
      if (bytesOf(this.#main) + this.#window.at(-1)!.bytes > CAPACITY * 0.8) return;
      this.#probation.unshift(this.#window.pop()!);
    }
  }

  #leastWorthy(): SampleResident | undefined {
    if (this.#probation.length === 0 && this.#protected.length > 0) this.#probation.unshift(this.#protected.pop()!);
    const sample = this.#probation.toReversed().slice(0, 16);
    const [oldest] = sample;
    if (oldest === undefined) return undefined;
    let least = oldest;
    for (const each of sample) if (this.#worth(each) < this.#worth(least)) least = each;
    const spared = this.#protected.at(-1);
    if (spared !== undefined && this.#worth(spared) < this.#worth(least)) {
      least = spared;
      this.#probation.unshift(this.#protected.pop()!);
    }
    if (least !== oldest) this.#probation.unshift(take(this.#probation, oldest));
    return least;
  }

  /** Compared as products in the policy: sizes here are powers of two, which divide without rounding. */
  #worth(resident: SampleResident): number {
    const frequency = this.#sketch.frequency(resident.keyHash) + 0.5;
    return frequency / (this.#hits - this.#lastHits.get(resident)! + 2 * this.#size) / resident.bytes;
  }

  #note(resident: SampleResident): void {
    this.#sketch.note(resident.keyHash);
    this.#lastHits.set(resident, this.#hits);
  }
}

const KEYS = 30;
const reads = fc.array(fc.nat(KEYS - 1), { minLength: 1, maxLength: 400, size: 'max' });
const sizes = fc.array(fc.constantFrom(1, 2, 4, 8, 16, 64), { minLength: KEYS, maxLength: KEYS });

describe.each([
  ['sieve', SieveModel],
  ['s3-fifo', S3FifoModel],
  ['w-tinylfu', WTinyLfuModel],
] as const)('the policy %s', (name, ModelOf) => {
  it('evicts whom its plain model evicts, for any row of reads', () => {
    fc.assert(
      fc.property(sizes, reads, (bytes, keys) => {
        const [policy, model] = [makePolicy(name, CAPACITY), new ModelOf() as Model];
        const residents = bytes.map((each, key) => new SampleResident(key, each));
        for (const key of keys) {
          const resident = residents[key]!;
          if (resident.chargedBytes > 0) {
            policy.touch(resident);
            model.touch(resident);
          } else {
            policy.add(resident, 'new');
            model.add(resident);
          }
          while (policy.bytes > CAPACITY) {
            expect((policy.evict() as SampleResident).name).toBe(model.evict()?.name);
          }
        }
        for (let left = policy.size; left >= 0; left--) {
          expect((policy.evict() as SampleResident | undefined)?.name).toBe(model.evict()?.name);
        }
      }),
      { numRuns: 200 },
    );
  });
});
