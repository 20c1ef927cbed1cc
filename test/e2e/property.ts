import { propertySeed } from '../support/property-seed.js';

/**
 * Parameters of a property test against a running server, its seed printed before it runs when it is not the suite's own.
 *
 * @param name - what is tested, for the line that is printed. `FAST_CHECK_SEED` in the environment repeats a run.
 */
export function seededRuns(name: string, numRuns: number): { seed: number; numRuns: number } {
  const seed = propertySeed();
  if (process.env['FAST_CHECK_SEED']) process.stderr.write(`${name}: FAST_CHECK_SEED=${seed}\n`);
  return { seed, numRuns };
}
