import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EVICTION_POLICIES, type EvictionPolicy } from '../../src/cache/local/eviction/eviction-policy.js';
import { makePolicy } from '../../src/cache/local/eviction/policies.js';
import { mixHash } from '../../src/cache/local/key-hash.js';
import type { Resident } from '../../src/cache/local/resident.js';
import { namesOf, SampleResident } from './sample-resident.js';

interface Step {
  readonly type: 'new' | 'cold' | 'beside' | 'touch' | 'recharge' | 'remove' | 'evict' | 'return' | 'capacity';
  readonly at: number;
  readonly bytes: number;
}

const steps = fc.array(
  fc.record<Step>({
    type: fc.constantFrom(
      ...(['new', 'new', 'new', 'cold', 'beside', 'touch', 'touch', 'touch', 'touch'] as const),
      ...(['recharge', 'remove', 'evict', 'return', 'capacity'] as const),
    ),
    at: fc.nat(1000),
    bytes: fc.integer({ min: 1, max: 60 }),
  }),
  { minLength: 1, maxLength: 150, size: 'max' },
);

/** A policy driven as the store drives it, beside a plain account of what it has to hold. */
class Account {
  /** Who is held, and whether a reader has asked for them or for whom they continue. */
  readonly asked = new Map<SampleResident, boolean>();
  readonly #gone: SampleResident[] = [];
  #made = 0;

  constructor(readonly policy: EvictionPolicy) {}

  run({ type, at, bytes }: Step): void {
    const held = [...this.asked.keys()];
    const one = held[at % held.length];
    if (type === 'new' || type === 'cold') this.#add(this.#make(bytes), type);
    else if (type === 'capacity') this.policy.capacityBytes = at;
    else if (type === 'return') this.#return(at);
    else if (type === 'evict') this.evict();
    else if (one !== undefined) this.#change(one, type, bytes);
    while (this.policy.bytes > this.policy.capacityBytes) this.evict();
  }

  evict(): SampleResident | undefined {
    const evicted = this.policy.evict() as SampleResident | undefined;
    if (evicted === undefined) {
      expect(this.asked.size).toBe(0);
      return undefined;
    }
    expect(this.asked.get(evicted)).toBe([...this.asked.values()].every((isAsked) => isAsked));
    this.#forget(evicted);
    return evicted;
  }

  check(): void {
    const held = [...this.asked.keys()];
    expect(this.policy.size).toBe(held.length);
    expect(held.filter((each) => each.chargedBytes !== each.bytes)).toEqual([]);
    expect(this.policy.bytes).toBe(held.reduce((sum, each) => sum + each.bytes, 0));
    const hottest = [...this.policy.hottest()] as SampleResident[];
    expect(hottest.length).toBe(held.length);
    expect(new Set(hottest)).toEqual(new Set(held));
    const isAsked = hottest.map((each) => this.asked.get(each)!);
    expect(isAsked.lastIndexOf(true)).toBeLessThan(isAsked.includes(false) ? isAsked.indexOf(false) : Infinity);
  }

  #make(bytes: number): SampleResident {
    const name = this.#made++;
    return new SampleResident(name, bytes, mixHash(name));
  }

  #add(resident: SampleResident, place: 'new' | 'cold'): void {
    this.policy.add(resident, place);
    this.asked.set(resident, place === 'new');
  }

  #return(at: number): void {
    const [resident] = this.#gone.splice(at % (this.#gone.length + 1), 1);
    if (resident !== undefined) this.#add(resident, at % 4 === 0 ? 'cold' : 'new');
  }

  #change(one: SampleResident, type: Step['type'], bytes: number): void {
    if (type === 'beside') {
      const resident = this.#make(bytes);
      this.policy.addBeside(resident, one);
      this.asked.set(resident, this.asked.get(one)!);
    } else if (type === 'touch') {
      this.policy.touch(one);
      this.asked.set(one, true);
    } else if (type === 'recharge') {
      one.bytes = bytes;
      this.policy.recharge(one);
    } else {
      this.policy.remove(one);
      this.#forget(one);
    }
  }

  #forget(resident: SampleResident): void {
    expect([resident.chargedBytes, resident.newer, resident.older]).toEqual([0, undefined, undefined]);
    this.asked.delete(resident);
    this.#gone.push(resident);
  }
}

function evictAll(policy: EvictionPolicy): number[] {
  const evicted: Resident[] = [];
  for (let each = policy.evict(); each !== undefined; each = policy.evict()) evicted.push(each);
  return namesOf(evicted);
}

function samples(count: number): SampleResident[] {
  return Array.from({ length: count }, (_unused, name) => new SampleResident(name, 1, mixHash(name)));
}

describe.each(EVICTION_POLICIES)('the policy %s', (name) => {
  it('holds what it was given, in full and each once, and lets the cold go first, whatever happens', () => {
    const capacity = fc.constantFrom(0, 10, 100, 1000);
    fc.assert(
      fc.property(capacity, steps, (capacityBytes, commands) => {
        const account = new Account(makePolicy(name, capacityBytes));
        for (const command of commands) {
          account.run(command);
          account.check();
        }
        const held = account.asked.size;
        let evicted = 0;
        for (; account.evict() !== undefined; evicted++) account.check();
        expect(evicted).toBe(held);
        expect(account.policy.evict()).toBeUndefined();
      }),
    );
  });

  it('knows its name and its capacity', () => {
    const policy = makePolicy(name, 7);
    expect([policy.name, policy.capacityBytes, policy.bytes, policy.size]).toEqual([name, 7, 0, 0]);
  });

  it('lets the cold go in the reverse of the order in which they came, and lists them last', () => {
    const policy = makePolicy(name, 100);
    const [first, second, asked, third] = samples(4);
    for (const each of [first!, second!]) policy.add(each, 'cold');
    policy.add(asked!, 'new');
    policy.add(third!, 'cold');
    expect(namesOf(policy.hottest())).toEqual([2, 0, 1, 3]);
    expect(evictAll(policy)).toEqual([3, 1, 0, 2]);
  });

  it('counts a cold resident as asked for from its first use on', () => {
    const policy = makePolicy(name, 100);
    const [asked, touched, cold] = samples(3);
    policy.add(asked!, 'new');
    for (const each of [touched!, cold!]) policy.add(each, 'cold');
    policy.touch(touched!);
    expect(namesOf([policy.evict()!])).toEqual([2]);
    expect(new Set(evictAll(policy))).toEqual(new Set([0, 1]));
  });

  it('gives what a write began the place of what it continues: cold beside cold, asked for beside asked for', () => {
    const policy = makePolicy(name, 100);
    const [asked, cold, besideAsked, besideCold] = samples(4);
    policy.add(asked!, 'new');
    policy.add(cold!, 'cold');
    policy.addBeside(besideAsked!, asked!);
    policy.addBeside(besideCold!, cold!);
    expect(namesOf(policy.hottest())).toEqual([0, 2, 1, 3]);
    const evicted = evictAll(policy);
    expect(evicted.slice(0, 2)).toEqual([3, 1]);
    expect(new Set(evicted.slice(2))).toEqual(new Set([0, 2]));
  });

  it('keeps its residents when its capacity falls, and lets them go when asked', () => {
    const policy = makePolicy(name, 100);
    const residents = samples(100);
    for (const each of residents) policy.add(each, 'new');
    for (const each of residents) if (each.name % 2 === 0) policy.touch(each);
    policy.capacityBytes = 10;
    expect(policy.size).toBe(100);
    while (policy.bytes > policy.capacityBytes) expect(policy.evict()).toBeDefined();
    expect([policy.bytes, policy.size]).toEqual([10, 10]);
  });

  it('lets the largest go as well: a resident above the whole capacity does not stay', () => {
    const policy = makePolicy(name, 100);
    for (const each of samples(50)) policy.add(each, 'new');
    const giant = new SampleResident(99, 1000);
    policy.add(giant, 'new');
    while (policy.bytes > policy.capacityBytes) policy.evict();
    expect(giant.chargedBytes).toBe(0);
  });
});
