import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { seed } from './mutant.js';
import { SEEDED_BUGS } from './seeded-bugs.js';
import { tryBugs, type Trial } from './trial.js';

/** Names of the bugs to try, comma-separated; all of them when it is empty or absent. `npm run test:seeded-bugs` sets it. */
const ASKED = process.env['SEEDED_BUGS'];

const WANTED = (ASKED ?? '').split(',').filter((name) => name !== '');

/** What an assertion says when it fails: of jest, of fast-check, and of a gate at which a step was to wait. */
const ASSERTION = /expect\(|Property failed after|nothing waits at/;

const bugs = SEEDED_BUGS.filter(({ name }) => WANTED.length === 0 || WANTED.includes(name));

describe('a seeded bug', () => {
  let trials: ReadonlyMap<string, Trial> = new Map();

  beforeAll(async () => {
    // In the whole suite, other tests run beside this one.
    const workers = ASKED === undefined ? 1 : 2;
    trials = new Map((await tryBugs(bugs, workers)).map((trial) => [trial.bug.name, trial]));
  }, 1_000_000);

  afterAll(() => {
    if (ASKED === undefined) return;
    const rows = [...trials.values()].map(({ bug, withBug }) => [
      bug.name,
      `${bug.caughtBy.file}: ${bug.caughtBy.name}`,
      withBug.seconds.toFixed(1),
    ]);
    process.stdout.write(`${table([['bug', 'caught by', 'seconds'], ...rows])}\n`);
  });

  it('is known by every name that is asked for', () => {
    expect(WANTED.filter((name) => bugs.every((bug) => bug.name !== name))).toEqual([]);
  });

  it.each(bugs)('is caught: $name', ({ name, message }) => {
    const { withBug, without } = trials.get(name)!;
    expect(without).toMatchObject({ status: 'passed' });
    expect(withBug).toMatchObject({ status: 'failed' });
    expect(withBug.message).toMatch(ASSERTION);
    if (message !== undefined) expect(withBug.message).toContain(message);
  });
});

describe('the table of seeded bugs', () => {
  it('names each bug once', () => {
    expect(new Set(SEEDED_BUGS.map(({ name }) => name)).size).toBe(SEEDED_BUGS.length);
  });

  it('is the one in docs/coherence.md', () => {
    const documented = readFileSync('docs/coherence.md', 'utf8')
      .split('## Seeded bugs')[1]!
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(documented).toEqual(
      SEEDED_BUGS.map(
        ({ name, does, file, caughtBy }) =>
          `| \`${name}\` | ${does} | \`${file}\` | \`${caughtBy.file}\`: ${caughtBy.name} |`,
      ),
    );
  });

  it('names places that are in the sources exactly once, and changes them', () => {
    for (const bug of SEEDED_BUGS) {
      const source = readFileSync(bug.file, 'utf8');
      expect(seed(bug, source)).not.toBe(source);
    }
  });

  it('refuses a bug whose place is not there, or is there twice', () => {
    const bug = { ...SEEDED_BUGS[0]!, edits: [{ find: 'one', replace: 'other' }] };
    expect(seed(bug, 'only one here')).toBe('only other here');
    expect(() => seed(bug, 'nothing')).toThrow('has 0 times');
    expect(() => seed(bug, 'one and one')).toThrow('has 2 times');
  });
});

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
