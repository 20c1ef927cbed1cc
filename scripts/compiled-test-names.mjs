import { relative, resolve } from 'node:path';

/** A test as it is written; what is not one, options and patterns among them, jest is given as it is. */
const TEST_FILE = /^[^-].*\.test\.ts$/;

/**
 * Arguments for jest, which sees tests as compiled alone, of arguments that may name them as they are written: `test/e2e/front-door.test.ts`,
 * with `./` before it or from the root of the file system, becomes the pattern `test/e2e/front-door.test.js`.
 */
export function compiledTestNames(args) {
  return args.map((arg) => {
    if (!TEST_FILE.test(arg)) return arg;
    return relative(process.cwd(), resolve(arg)).replace(/\.ts$/, '.js');
  });
}
