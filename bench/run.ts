import { parseArgs } from 'node:util';
import { benchReads } from './http-reads.bench.js';
import { benchImport } from './import.bench.js';
import { benchMemory } from './memory.bench.js';
import { benchWarm } from './warm.bench.js';
import { benchWrites } from './write.bench.js';

const BENCHES: Readonly<Record<string, (source: string | undefined) => Promise<void>>> = {
  import: benchImport,
  memory: benchMemory,
  reads: benchReads,
  warm: () => benchWarm(),
  write: benchWrites,
};

// `npm run bench [-- NAME…] [--data DIR]`: runs the benchmarks, or those named, and writes docs/benchmarks.md.
const { positionals, values } = parseArgs({ allowPositionals: true, options: { data: { type: 'string' } } });
const unknown = positionals.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  process.stderr.write(`There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}.\n`);
  process.exit(2);
}
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES)) await BENCHES[name]!(values.data);
process.exit(0);
