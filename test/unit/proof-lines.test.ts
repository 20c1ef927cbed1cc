import { beforeEach, describe, expect, it } from '@jest/globals';
import { ProofLines } from '../../src/limits/proof-lines.js';
import { quiet } from './cache-under-test.js';

describe('proofs of an address', () => {
  let left: number;
  let lines: ProofLines;
  beforeEach(() => {
    left = 2;
    lines = new ProofLines(5, (address) => (address === 'full' ? 0 : left));
  });

  /** Begins proofs. @returns what has become of each: whether it was let in, or that it waits. */
  function begin(times: number, address = 'one'): ('waits' | boolean)[] {
    const states = Array<'waits' | boolean>(times).fill('waits');
    states.forEach((_state, at) => {
      void lines.begin(address).then((isLetIn) => (states[at] = isLetIn));
    });
    return states;
  }

  it('begin while they could all fail, wait for those, and are turned away when too many wait', async () => {
    const states = begin(7);
    await quiet();
    expect(states).toEqual([true, true, 'waits', 'waits', 'waits', false, false]);
    const elsewhere = begin(1, 'other');
    await quiet();
    expect(elsewhere).toEqual([true]);
  });

  it('all get their turn, one after the other, when none fails', async () => {
    const states = begin(5);
    for (let ended = 1; ended <= 5; ended++) {
      lines.end('one');
      await quiet();
      expect(states.filter((state) => state === true)).toHaveLength(Math.min(5, ended + 2));
    }
    const again = begin(5);
    await quiet();
    expect(again).toEqual([true, true, 'waits', 'waits', 'waits']);
  });

  it('are turned away, those that wait too, when as many have failed as may', async () => {
    const states = begin(5);
    left = 1;
    lines.end('one');
    await quiet();
    expect(states).toEqual([true, true, 'waits', 'waits', 'waits']);
    left = 0;
    lines.end('one');
    await quiet();
    expect(states).toEqual([true, true, false, false, false]);
    const later = begin(1);
    await quiet();
    expect(later).toEqual([false]);
    left = 2;
    const inNextWindow = begin(2);
    await quiet();
    expect(inNextWindow).toEqual([true, true]);
  });
});
