// Puts known bugs into copies of the compiled code, one each, and shows which test catches it: all of them, or those named
// on the command line. Ends with an error when one is not caught.
import { spawnSync } from 'node:child_process';

const { status } = spawnSync(process.execPath, ['scripts/test.mjs', 'test/seeded-bugs'], {
  stdio: 'inherit',
  env: { ...process.env, SEEDED_BUGS: process.argv.slice(2).join(',') },
});
process.exit(status ?? 1);
