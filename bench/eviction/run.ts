import { parseArgs } from 'node:util';
import { EVICTION_POLICIES } from '../../src/cache/local/eviction/eviction-policy.js';
import { makePolicy } from '../../src/cache/local/eviction/policies.js';
import { readChatTrace } from './chat-trace.js';
import { boundsOfHits, optimalHits } from './optimum.js';
import { replayPacked } from './packing-simulation.js';
import { BUDGETS, type PackingResult, type Replay, writeReport } from './report.js';
import { simulateHits } from './simulation.js';
import { readTraces, requireTraces } from './trace-files.js';
import { type Trace, withUnitSizes } from './trace.js';

/**
 * `npm run bench:eviction [-- --traces DIR --data DIR]`: replays the recorded traces, and one made of real conversations, through
 * every policy at several budgets, and writes docs/eviction.md and docs/eviction.svg.
 */
const { values } = parseArgs({
  options: {
    traces: { type: 'string', default: '../shared/traces' },
    data: { type: 'string', default: '../shared/data' },
  },
});

function* allTraces(): Generator<Trace> {
  yield readChatTrace(values.data);
  yield* readTraces(values.traces);
}

function replay(trace: Trace, sizes: Replay['sizes']): Replay[] {
  const capacities = BUDGETS.map((budget) => Math.floor(trace.workingSetBytes * budget));
  const bests =
    sizes === 'one' ? capacities.map((capacity) => optimalHits(trace, capacity)) : boundsOfHits(trace, capacities);
  return BUDGETS.map((budget, at) => {
    const hits = EVICTION_POLICIES.map(
      (name) => [name, simulateHits(trace, makePolicy(name, capacities[at]!))] as const,
    );
    const accesses = trace.accesses.length;
    process.stdout.write(`${trace.name}, sizes ${sizes}, ${budget * 100} %\n`);
    return {
      trace: trace.name,
      sizes,
      budget,
      accesses,
      objects: trace.keyHashes.length,
      bestRatio: bests[at]! / accesses,
      ratios: new Map(hits.map(([name, count]) => [name, count / accesses])),
    };
  });
}

function replayPackings(trace: Trace): PackingResult[] {
  return BUDGETS.flatMap((budget) =>
    PACKED_SHARES.map((packedShare) => ({
      ...replayPacked(trace, Math.floor(trace.workingSetBytes * budget), packedShare),
      accesses: trace.accesses.length,
      budget,
      packedShare,
    })),
  );
}

/** Parts of the budget for packed blocks that are compared. */
const PACKED_SHARES = [0, 0.25, 0.5, 0.75] as const;

try {
  requireTraces(values.traces);
  const replays: Replay[] = [];
  const packings: PackingResult[] = [];
  for (const trace of allTraces()) {
    replays.push(...replay(trace, 'own'), ...replay(withUnitSizes(trace), 'one'));
    if (trace.name === 'chat') packings.push(...replayPackings(trace));
  }
  writeReport(replays, packings);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
