import { parseArgs } from 'node:util';
import { benchClusterReads } from './cluster-reads.bench.js';
import { benchClusterWrites } from './cluster-writes.bench.js';
import { benchGrowth } from './growth.bench.js';
import { benchMetrics } from './metrics.bench.js';
import { benchReads } from './http-reads.bench.js';
import { benchImport } from './import.bench.js';
import { benchLag } from './lag.bench.js';
import { benchLogging } from './logging.bench.js';
import { benchMemory } from './memory.bench.js';
import { benchUsers } from './users.bench.js';
import { benchWarm } from './warm.bench.js';
import { benchWrites } from './write.bench.js';

const BENCHES: Readonly<Record<string, (source: string | undefined) => Promise<void>>> = {
  cluster: benchClusterReads,
  peers: benchClusterWrites,
  lag: benchLag,
  import: benchImport,
  logging: () => benchLogging(),
  memory: benchMemory,
  metrics: () => benchMetrics(),
  reads: benchReads,
  users: benchUsers,
  warm: () => benchWarm(),
  write: benchWrites,
};

/** Those that take long, and are run only when they are named. */
const LONG_BENCHES: typeof BENCHES = { growth: benchGrowth };

const ALL_BENCHES = { ...BENCHES, ...LONG_BENCHES };

// `npm run bench [-- NAME…] [--data DIR]`: runs the benchmarks but the long ones, or those named, and writes docs/benchmarks.md.
const { positionals, values } = parseArgs({ allowPositionals: true, options: { data: { type: 'string' } } });
const unknown = positionals.filter((name) => !(name in ALL_BENCHES));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(ALL_BENCHES).join(', ')}.\n`,
  );
  process.exit(2);
}
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES)) await ALL_BENCHES[name]!(values.data);
process.exit(0);
