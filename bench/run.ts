import { benchImport } from './import.bench.js';

/** `npm run bench [-- --data DIR]`: runs the benchmarks and writes docs/benchmarks.md. */
const at = process.argv.indexOf('--data');
await benchImport(at === -1 ? undefined : process.argv[at + 1]);
process.exit(0);
