import { writeFileSync } from 'node:fs';
import { EVICTION_POLICIES, type EvictionPolicyName } from '../../src/cache/local/eviction/eviction-policy.js';
import { DEFAULT_POLICY } from '../../src/cache/local/eviction/policies.js';
import { PACKED_SHARE } from '../../src/cache/local/block-shelf.js';
import { measuredOn } from '../report.js';
import type { PackingReplay } from './packing-simulation.js';
import { plot } from './plot.js';

/** Budgets as parts of the working set. */
export const BUDGETS = [0.01, 0.05, 0.1, 0.25] as const;

/** What came of one trace at one budget. */
export interface Replay {
  readonly trace: string;
  /** Whether objects have their own sizes or all the same. */
  readonly sizes: 'own' | 'one';
  readonly budget: number;
  readonly accesses: number;
  readonly objects: number;
  /** What no policy can exceed. */
  readonly bestRatio: number;
  /** Accesses served from memory, from 0 to 1. */
  readonly ratios: ReadonlyMap<EvictionPolicyName, number>;
}

/** The budget that the policies are judged by. */
const JUDGED_BUDGET = 0.1;

/** What came of packing blocks, at one budget and with one part of it for packed ones. */
export interface PackingResult extends PackingReplay {
  readonly budget: number;
  readonly packedShare: number;
  readonly accesses: number;
}

/** Writes docs/eviction.md and docs/eviction.svg. */
export function writeReport(replays: readonly Replay[], packings: readonly PackingResult[]): void {
  writeFileSync('docs/eviction.svg', plot(replays.filter(({ budget }) => budget === JUDGED_BUDGET)));
  writeFileSync('docs/eviction.md', reportOf(replays, packings));
}

function reportOf(replays: readonly Replay[], packings: readonly PackingResult[]): string {
  const tables = (['own', 'one'] as const).map((sizes) => replays.filter((each) => each.sizes === sizes));
  return `${INTRODUCTION}
## At ${percent(JUDGED_BUDGET)} % of the working set

![Hit ratio by policy and trace](eviction.svg)

${tables.map((table) => judgement(table)).join('\n')}
## At all budgets

${tables.map((table) => `${TITLES[table[0]!.sizes]}\n\n${tableOf(table)}`).join('\n')}
## Packed blocks

${PACKING}

${packingTable(packings)}

## The traces

| trace | accesses | objects |
|---|---|---|
${tables[1]!
  .filter(({ budget }) => budget === JUDGED_BUDGET)
  .map(
    ({ trace, accesses, objects }) =>
      `| ${trace} | ${accesses.toLocaleString('en')} | ${objects.toLocaleString('en')} |`,
  )
  .join('\n')}

${SOURCES}
${measuredOn()}
`;
}

const TITLES = { own: '**Objects of different sizes**, budget in bytes.', one: '**Objects of one size**.' };

function judgement(table: readonly Replay[]): string {
  const judged = table.filter(({ budget }) => budget === JUDGED_BUDGET);
  const ways = EVICTION_POLICIES.filter((name) => name !== 'lru').map(
    (name) => `${name} ${percent(meanWay(judged, name))} %`,
  );
  const below = judged.filter(({ ratios }) => ratios.get(DEFAULT_POLICY)! < ratios.get('lru')!);
  const worst = below.length === 0 ? 'on no trace' : `on ${below.map(({ trace }) => trace).join(', ')}`;
  return `${TITLES[judged[0]!.sizes]} From LRU to the best, on the mean of the traces: ${ways.join(', ')}. ${DEFAULT_POLICY} is below
LRU ${worst}.

${tableOf(judged)}`;
}

/** How far a policy's mean hit ratio is from LRU's to the best one's, as a part. */
function meanWay(replays: readonly Replay[], name: EvictionPolicyName): number {
  const sum = (value: (each: Replay) => number): number => replays.reduce((total, each) => total + value(each), 0);
  const lru = sum(({ ratios }) => ratios.get('lru')!);
  return (sum(({ ratios }) => ratios.get(name)!) - lru) / (sum(({ bestRatio }) => bestRatio) - lru);
}

function tableOf(replays: readonly Replay[]): string {
  const best = replays[0]!.sizes === 'one' ? 'Bélády' : 'bound';
  const rows = replays.map((each) => {
    const ratios = EVICTION_POLICIES.map((name) => each.ratios.get(name)!);
    const highest = Math.max(...ratios).toFixed(4);
    const cells = ratios.map((ratio) =>
      ratio.toFixed(4) === highest ? `**${percent(ratio, 2)}**` : percent(ratio, 2),
    );
    const lru = each.ratios.get('lru')!;
    const room = each.bestRatio - lru;
    const way = room < 0.0001 ? '–' : `${percent((each.ratios.get(DEFAULT_POLICY)! - lru) / room)} %`;
    return `| ${each.trace} | ${percent(each.budget)} % | ${cells.join(' | ')} | ${percent(each.bestRatio, 2)} | ${way} |`;
  });
  return `| trace | budget | ${EVICTION_POLICIES.join(' | ')} | ${best} | way of ${DEFAULT_POLICY} |
|---|---|${'---|'.repeat(EVICTION_POLICIES.length + 2)}
${rows.join('\n')}
`;
}

function packingTable(packings: readonly PackingResult[]): string {
  const rows = packings.map(({ budget, packedShare, accesses, plainHits, packedHits, packings: packed }) => {
    const cells = [plainHits, packedHits, plainHits + packedHits, accesses - plainHits - packedHits, packed];
    const parts = cells.map((count) => percent(count / accesses, 2));
    return `| ${percent(budget)} % | ${percent(packedShare)} % | ${parts.join(' | ')} |`;
  });
  return `| budget | for packed | plain hits | packed hits | hits | loads | packings |
|---|---|---|---|---|---|---|
${rows.join('\n')}`;
}

function percent(part: number, digits = 0): string {
  return (part * 100).toFixed(digits);
}

const INTRODUCTION = `# Eviction policies on traces

Made by \`npm run bench:eviction\`; not to be edited by hand. Percent of accesses that are served from memory, by the same classes that
the server uses, with the same constants for all traces. A miss loads the object and hands it to the policy; the policy is then asked who
goes until the cache is within its budget, which is a part of all bytes that the trace ever asks for.

- **Bélády**: the exact optimum for objects of one size, knowing the future, with the right not to keep what it has just loaded.
- **bound**: for objects of different sizes the optimum is too hard to compute. This is PFOO-U, an upper bound that no policy can
  exceed and that the true optimum need not reach; so the way to the optimum is at least what is said.
- **way**: from LRU's hit ratio (0 %) to the optimum or bound (100 %).
`;

const PACKING = `The chat trace through the shelf of the server, which packs a block that has to go and lets packed ones go when they take more than a
part of the budget; in percent of accesses, with a packed block at 30 % of its JSON. The server's part is ${percent(PACKED_SHARE)} %; what packing and reading
packed blocks cost is in [benchmarks.md](benchmarks.md).`;

const SOURCES = `**chat** is derived from real conversations (\`bench/eviction/chat-trace.ts\`): communities laid over each other in one year; a message
has a geometric number of readers, one on average, who open the chat between ten seconds and 30 days later (the logarithm of the delay
is uniform) and are shown its latest 50 messages; one in k^1.5 of them scrolls back to the k-th page; one in ten of those who came for an
answer goes to what it answers. Objects are blocks of 64 messages, with the bytes that they have at that time.

**orm-busy, orm-night, web07, web12** are from the cache2k benchmark (© headissue GmbH, Jens Wilke, CC BY 4.0), **corda** from the
R3 Corda vault service, as kept in the repository of Caffeine. They have no sizes: these are made up, log-normal by the hash of the key
(median 1,000 bytes, σ = 1), so not related to how often an object is used.
`;
