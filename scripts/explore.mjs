// Looks for what the property tests have not found yet: runs them again and again with new seeds until the time is over
// or one fails, which fast-check reports with its seed.
//   npm run test:explore -- [--minutes 10] [--only unit/instances]
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, only: { type: 'string', default: 'unit/.*interleavings' } },
});
const endMs = Date.now() + Number(values.minutes) * 60_000;
let rounds = 0;
let status = 0;
while (status === 0 && Date.now() < endMs) {
  ({ status } = spawnSync(process.execPath, ['scripts/test.mjs', values.only], {
    stdio: 'inherit',
    env: { ...process.env, FAST_CHECK_SEED: 'random' },
  }));
  rounds++;
}
console.log(`${rounds} rounds, ${status === 0 ? 'nothing found' : 'see above'}`);
process.exit(status ?? 1);
