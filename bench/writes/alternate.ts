import type { BenchDatabase } from '../bench-database.js';
import type { Figure } from '../report.js';

/** What a side came to in one slice. */
export interface Slice {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** How to run one slice of each side, and what the side is called. */
export type Sides<Name extends string, Result extends Slice = Slice> = Readonly<
  Record<Name, { readonly title: string; readonly run: (seed: number) => Promise<Result> }>
>;

type Titled<Name extends string> = Readonly<Record<Name, { readonly title: string }>>;

/** One slice per round, by side. */
export type Slices<Name extends string, Result extends Slice = Slice> = Record<Name, Result[]>;

/**
 * Runs the sides in turn, in another order each round and each slice after a checkpoint. A first round, in which code is
 * compiled and connections are made, does not count.
 */
export async function alternate<Name extends string, Result extends Slice>(
  database: Pick<BenchDatabase, 'query'>,
  sides: Sides<Name, Result>,
  rounds: number,
): Promise<Slices<Name, Result>> {
  const names = Object.keys(sides) as Name[];
  const slices = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Slices<Name, Result>;
  for (let round = 0; round <= rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      await database.query('CHECKPOINT');
      const slice = await sides[name].run(round);
      if (round > 0) slices[name].push(slice);
      process.stderr.write(
        `round ${round}: ${sides[name].title}: ${Math.round(slice.perSecond)}/s, p50 ${slice.p50Ms.toFixed(2)} ms, ` +
          `p99 ${slice.p99Ms.toFixed(2)} ms${round === 0 ? ', not counted' : ''}\n`,
      );
    }
  }
  return slices;
}

/** How many times as much the first side does in a second as each of the others. */
export function ratiosToFirst<Name extends string>(table: string, sides: Titled<Name>, slices: Slices<Name>): Figure[] {
  const [first, ...others] = Object.keys(sides) as [Name, ...Name[]];
  return others.map((name) => ({
    table,
    name: sides[name].title,
    rounds: slices[first].map(({ perSecond }, round) => perSecond / slices[name][round]!.perSecond),
    unit: '',
  }));
}

/** Tables of what each side came to by itself. */
export function tablesOf<Name extends string>(sides: Titled<Name>, slices: Slices<Name>): Figure[] {
  const names = Object.keys(sides) as Name[];
  const table = (title: string, unit: string, pick: (slice: Slice) => number): Figure[] =>
    names.map((name) => ({ table: title, name: sides[name].title, rounds: slices[name].map(pick), unit }));
  return [
    ...table('messages per second', '', ({ perSecond }) => perSecond),
    ...table('time to the acknowledgement, p50', 'ms', ({ p50Ms }) => p50Ms),
    ...table('time to the acknowledgement, p99', 'ms', ({ p99Ms }) => p99Ms),
  ];
}
