import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';

interface CompiledTestNames {
  compiledTestNames(args: readonly string[]): string[];
}

describe('the arguments of npm run test:only', () => {
  let compiledTestNames: CompiledTestNames['compiledTestNames'];
  beforeAll(async () => {
    ({ compiledTestNames } = (await import('../../../scripts/compiled-test-names.mjs' as string)) as CompiledTestNames);
  });

  it.each([
    ['as it is listed', 'test/e2e/front-door.test.ts'],
    ['from here', './test/e2e/front-door.test.ts'],
    ['from the root', resolve('test/e2e/front-door.test.ts')],
  ])('may name a test file as it is written: %s', (_how, path) => {
    expect(compiledTestNames([path])).toEqual(['test/e2e/front-door.test.js']);
  });

  it('are patterns and options otherwise', () => {
    const args = [
      'e2e/front-door',
      'dist/test/e2e/front-door.test.js',
      '--testNamePattern=of a .test.ts',
      '-t',
      'closes',
    ];
    expect(compiledTestNames(args)).toEqual(args);
  });
});
