import { randomInt } from 'node:crypto';

/**
 * Parameters of a property test, its seed printed before it runs.
 *
 * @param name - what is tested, for the line that is printed. `FAST_CHECK_SEED` in the environment repeats a run.
 */
export function seededRuns(name: string, numRuns: number): { seed: number; numRuns: number } {
  const seed = Number(process.env['FAST_CHECK_SEED'] ?? randomInt(2 ** 31));
  process.stderr.write(`${name}: FAST_CHECK_SEED=${seed}\n`);
  return { seed, numRuns };
}
