import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ResidentList } from '../../src/cache/local/eviction/resident-list.js';
import { Resident } from '../../src/cache/local/resident.js';

class Sample extends Resident {
  constructor(readonly name: number) {
    super();
  }

  readonly keyHash = 0;

  override get bytes(): number {
    return 1;
  }
}

/** Reads the list from its cold end by the links, as eviction does. */
function fromOldest(list: ResidentList): Resident[] {
  const found: Resident[] = [];
  for (let resident = list.oldest; resident !== undefined; resident = resident.newer) found.push(resident);
  return found;
}

function namesOf(residents: Iterable<Resident>): number[] {
  return [...residents].map((resident) => (resident as Sample).name);
}

type Step = { readonly type: 'add' | 'addOldest' | 'touch' | 'remove'; readonly at: number };

const steps = fc.array(
  fc.record<Step>({ type: fc.constantFrom('add', 'addOldest', 'touch', 'remove'), at: fc.nat(20) }),
  { maxLength: 80, size: 'max' },
);

describe('a resident list', () => {
  it('has the order of a plain list from both ends, after every change', () => {
    fc.assert(
      fc.property(steps, (commands) => {
        const list = new ResidentList(1);
        const model: Sample[] = [];
        let made = 0;
        for (const { type, at } of commands) {
          if (type === 'add' || type === 'addOldest') {
            const sample = new Sample(made++);
            list[type](sample);
            if (type === 'add') model.unshift(sample);
            else model.push(sample);
          } else if (model.length > 0) {
            const [sample] = model.splice(at % model.length, 1);
            list[type](sample!);
            if (type === 'touch') model.unshift(sample!);
            else expect([sample!.newer, sample!.older]).toEqual([undefined, undefined]);
          }
          expect(namesOf(list)).toEqual(namesOf(model));
          expect(namesOf(fromOldest(list))).toEqual(namesOf(model).toReversed());
          expect(list.oldest).toBe(model.at(-1));
        }
      }),
    );
  });

  it('takes a resident again that it has let go', () => {
    const list = new ResidentList(1);
    const [one, other] = [new Sample(1), new Sample(2)];
    list.add(one);
    list.remove(one);
    expect(list.oldest).toBeUndefined();
    list.add(other);
    list.addOldest(one);
    expect(namesOf(list)).toEqual([2, 1]);
  });
});
