import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { COMPILED, compiledPath, makeMutant } from './mutant.js';
import type { SeededBug, TestName } from './seeded-bug.js';

/** What became of one test on one copy of the project. */
export interface TestOutcome {
  /** Jest's word for it: `passed`, `failed`, `pending`; `absent` when no test of the name was run. */
  readonly status: string;
  /** What it failed with; empty when it passed. */
  readonly message: string;
  /** Seconds that its file took, all tests with its name included. */
  readonly seconds: number;
}

/** What became of a bug's test with the bug and without. */
export interface Trial {
  readonly bug: SeededBug;
  readonly withBug: TestOutcome;
  readonly without: TestOutcome;
}

/** Jest is ended after this long: a bug that makes a test run for ever is not caught by an assertion. */
const LIMIT_MS = 900_000;

/** A test that waits for what a bug keeps from happening fails by its own condition well before this. */
const TEST_TIMEOUT_MS = 120_000;

const UNMUTATED = 'unmutated';

interface JestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/**
 * Runs the tests of bugs, each on a copy of the compiled project that has the bug, and all of them on one that has none. One process of
 * jest runs them all; only the tests named are run.
 */
export async function tryBugs(bugs: readonly SeededBug[], workers: number): Promise<Trial[]> {
  mkdirSync(join(COMPILED, 'seeded-bugs'), { recursive: true });
  const root = mkdtempSync(join(realpathSync(COMPILED), 'seeded-bugs', 'run-'));
  try {
    for (const bug of bugs) makeMutant(join(root, bug.name), bug);
    makeMutant(join(root, UNMUTATED), undefined);
    const paths = [
      ...bugs.map((bug) => testPath(root, bug.name, bug.caughtBy)),
      ...bugs.map((bug) => testPath(root, UNMUTATED, bug.caughtBy)),
    ];
    const report = await runJest(root, [...new Set(paths)], bugs, workers);
    return bugs.map((bug) => ({
      bug,
      withBug: outcomeOf(report, testPath(root, bug.name, bug.caughtBy), bug.caughtBy.name),
      without: outcomeOf(report, testPath(root, UNMUTATED, bug.caughtBy), bug.caughtBy.name),
    }));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function testPath(root: string, copy: string, { file }: TestName): string {
  return join(root, copy, compiledPath(file));
}

function outcomeOf({ testResults }: JestReport, path: string, name: string): TestOutcome {
  const file = testResults.find((each) => each.name === path);
  const seconds = file === undefined ? 0 : (file.endTime - file.startTime) / 1000;
  const test = file?.assertionResults.find(({ fullName }) => fullName === name);
  if (test === undefined) return { status: 'absent', message: file?.message ?? '', seconds };
  return { status: test.status, message: (test.failureMessages ?? []).join('\n'), seconds };
}

async function runJest(
  rootDir: string,
  paths: readonly string[],
  bugs: readonly SeededBug[],
  workers: number,
): Promise<JestReport> {
  const outputFile = join(rootDir, 'report.json');
  const config = {
    testEnvironment: 'node',
    rootDir,
    testMatch: ['<rootDir>/*/test/**/*.test.js'],
    transform: {},
    testTimeout: TEST_TIMEOUT_MS,
    maxWorkers: workers,
  };
  const names = [...new Set(bugs.map(({ caughtBy }) => `^${escape(caughtBy.name)}$`))].join('|');
  const jest = createRequire(resolve('package.json')).resolve('jest/bin/jest');
  const settings = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', '--expose-gc'];
  const wishes = ['--json', '--outputFile', outputFile, '--config', JSON.stringify(config), '-t', names];
  const child = spawn(process.execPath, [...settings, jest, ...wishes, '--runTestsByPath', ...paths], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Messages are compared as text.
    env: { ...process.env, FORCE_COLOR: '0' },
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await new Promise((settle) => child.on('close', settle));
  try {
    return JSON.parse(readFileSync(outputFile, 'utf8')) as JestReport;
  } catch (cause) {
    throw new Error(`Jest has given no report.\n${said}`, { cause });
  }
}

/** A name as a pattern that matches it alone. */
function escape(name: string): string {
  return name.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
