import type { SeededRandom } from '../../src/transfer/seeded-random.js';

/** Faults that are over at once, or when what was struck is back. */
export const STRIKES = [
  'instance killed',
  'database stopped at once',
  'database process killed',
  'database connections cut',
  'client connections cut',
] as const;

/** Faults that last, and beside which strikes happen. */
export const BURDENS = ['slow disk', 'commits held', 'head locked'] as const;

/** A kind of fault. */
export type FaultKind = (typeof STRIKES)[number] | (typeof BURDENS)[number];

/** One fault of a plan. */
export interface PlannedFault<Kind extends string = FaultKind> {
  readonly kind: Kind;
  /** Quiet time before it. */
  readonly pauseMs: number;
  /** How long what was struck stays away, or the burden lasts at least. */
  readonly lengthMs: number;
  /** From 0 to less than 1: which of the ways that there are. */
  readonly way: number;
}

/** Plans faults without end: each kind once in any order, then any. */
export function* planFaults<Kind extends string>(
  kinds: readonly Kind[],
  random: SeededRandom,
): Generator<PlannedFault<Kind>, never> {
  const first = [...kinds];
  for (;;) {
    const kind = first.length > 0 ? first.splice(random.integer(first.length), 1)[0]! : random.pick(kinds);
    yield {
      kind,
      pauseMs: random.integer(random.next() < 0.3 ? 50 : 3000),
      lengthMs: random.integer(random.next() < 0.3 ? 100 : 2000),
      way: random.next(),
    };
  }
}

/** Whether a fault ends processes, so that what they have acknowledged has to be found again. */
export function isCrash(kind: FaultKind): boolean {
  return kind === 'instance killed' || kind === 'database stopped at once' || kind === 'database process killed';
}
