import { randomInt } from 'node:crypto';

/**
 * The seed of every property test. The suite takes the same histories each time, so that what was green once stays green
 * until the code changes; new ones are looked for on purpose, with `FAST_CHECK_SEED=random` (see `npm run test:explore`).
 */
const DEFAULT_SEED = 20_261_124;

/** The seed to take: `FAST_CHECK_SEED` repeats a run, `random` draws one. */
export function propertySeed(): number {
  const wanted = process.env['FAST_CHECK_SEED'];
  if (wanted === undefined || wanted === '') return DEFAULT_SEED;
  return wanted === 'random' ? randomInt(2 ** 31) : Number(wanted);
}
