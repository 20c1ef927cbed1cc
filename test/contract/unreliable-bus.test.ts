import { describe, expect, it } from '@jest/globals';
import type { BusListener, CoherenceBus } from '../../src/cache/coherence/bus/coherence-bus.js';
import { BusEar } from '../support/bus-ear.js';
import { UnreliableBus } from '../support/unreliable-bus.js';

const CHAT = '01980000-0000-7000-8000-000000000001';

/** Gives the listener a thousand versions in order. @returns the versions that came through, in theirs. */
async function through(unreliability: ConstructorParameters<typeof UnreliableBus>[1], seed: number): Promise<number[]> {
  let listener: BusListener | undefined;
  const inner: CoherenceBus = {
    name: 'postgres',
    isHealthy: true,
    start: async (given) => void (listener = given),
    publish: () => undefined,
    stop: async () => undefined,
  };
  const ear = new BusEar();
  const bus = new UnreliableBus(inner, unreliability, seed);
  await bus.start(ear);
  for (let version = 1; version <= 1000; version++) {
    listener!.onHeard({
      chatId: CHAT,
      run: 'r',
      version,
      changes: undefined,
      skippedFrom: undefined,
      publishedAtMs: 0,
    });
  }
  await bus.stop();
  expect(new Set(ear.heard.map(({ version }) => version)).size + bus.lost).toBe(1000);
  return ear.heard.map(({ version }) => version);
}

const NONE = { lose: 0, repeat: 0, delay: 0, maxDelayMs: 60_000 };
const ORDERED = Array.from({ length: 1000 }, (_unused, at) => at + 1);

describe('an unreliable bus', () => {
  it('is a reliable one when nothing is to go wrong', async () => {
    expect(await through(NONE, 1)).toEqual(ORDERED);
  });

  it('loses, repeats and reorders', async () => {
    const some = await through({ ...NONE, lose: 0.3 }, 1);
    expect(some.length).toBeGreaterThan(600);
    expect(some.length).toBeLessThan(800);
    const twice = await through({ ...NONE, repeat: 0.3 }, 1);
    expect(twice.length).toBeGreaterThan(1200);
    expect(twice.length).toBeLessThan(1400);
    const mixed = await through({ ...NONE, delay: 0.3 }, 1);
    expect(mixed).not.toEqual(ORDERED);
    expect(mixed.toSorted((one, other) => one - other)).toEqual(ORDERED);
  });

  it('does the same for the same seed, and something else for another', async () => {
    const all = { lose: 0.2, repeat: 0.2, delay: 0.2, maxDelayMs: 60_000 };
    expect(await through(all, 7)).toEqual(await through(all, 7));
    expect(await through(all, 7)).not.toEqual(await through(all, 8));
  });
});
