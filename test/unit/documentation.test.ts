import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ERROR_CODES } from '../../src/common/error-codes.js';
import { ENVIRONMENT_SCHEMA } from '../../src/config/environment.js';

/** Rows of the tables of a document whose first cell is code: the cells, without the backquotes of the first. */
function rows(path: string): string[][] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .map(([first, ...rest]) => [first!.replaceAll('`', ''), ...rest]);
}

describe('the documentation', () => {
  it('lists every error code with its status, its title and what to do', () => {
    const documented = rows('docs/errors.md').map(([code, status, title, advice]) => ({
      ...{ code, status: Number(status), title, advice },
    }));
    expect(documented).toEqual(
      Object.entries(ERROR_CODES).map(([code, { status, title, advice }]) => ({ code, status, title, advice })),
    );
  });

  it('gives a cause for every code of the server’s errors in the page on their rate', () => {
    const explained = rows('docs/runbooks/error-rate.md')
      .map(([code]) => code!)
      .filter((code) => /^\w+$/.test(code));
    const codes = Object.entries(ERROR_CODES).filter(([, { status }]) => status >= 500);
    expect(explained.toSorted()).toEqual(codes.map(([code]) => code).toSorted());
  });

  it('lists every variable of the environment with its default', () => {
    const documented = rows('docs/configuration.md').map(([name, fallback]) => [name, fallback!.replaceAll('`', '')]);
    const defaults = ENVIRONMENT_SCHEMA.partial().parse({}) as Record<string, unknown>;
    const actual = Object.keys(ENVIRONMENT_SCHEMA.shape).map((name) => [name, String(defaults[name] ?? '')]);
    expect(documented.map(([name]) => name)).toEqual(actual.map(([name]) => name));
    for (const [name, fallback] of actual) {
      if (fallback !== '') expect([name, documented.find(([each]) => each === name)![1]]).toEqual([name, fallback]);
    }
  });

  it('lists every event of the log', () => {
    const documented = rows('docs/logging.md')
      .map(([event]) => event!)
      .filter((event) => /^[a-z]+(_[a-z]+)*$/.test(event));
    const said = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [...readFileSync(join('src', file), 'utf8').matchAll(/\bevent: '(\w+)'/g)])
      .map(([, event]) => event!);
    expect(said.length).toBeGreaterThan(5);
    expect([...documented].sort()).toEqual([...new Set(said)].sort());
  });

  it('gives a reason for every package that is depended on', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      string,
      object
    >;
    const reasons = readFileSync('docs/decisions.md', 'utf8');
    // Those of one scope are named once with it, then without.
    const isNamed = (name: string): boolean =>
      [name, name.replace(/^@opentelemetry\//, '')].some((each) => reasons.includes(`\`${each}\``));
    expect(Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !isNamed(name))).toEqual([]);
  });

  it('names in the README only scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    const named = [...readFileSync('README.md', 'utf8').matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('names in the table of guarantees only tests that exist', () => {
    const readme = readFileSync('README.md', 'utf8');
    const tests = [...readme.matchAll(/`((?:test|examples)\/[\w./-]+\.ts)`/g)].map(([, path]) => path!);
    expect(tests.length).toBeGreaterThan(5);
    for (const path of tests) expect(readFileSync(path, 'utf8')).toMatch(/\bit(\.each)?\(/);
  });
});
