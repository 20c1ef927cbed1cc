import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { benchPackedBlocks } from './packed-blocks.js';
import type { MemoryReport } from './probe/memory-probe.js';
import { writeSection, type Figure } from './report.js';
import { sampleTexts } from './text-sample.js';

const ROUNDS = 3;
const SAMPLED_TEXTS = 3000;
/** What `CACHE_MAX_BYTES` is not about: taken off RSS before it is compared with what is encoded. */
const ALLOWANCE_BYTES = 100e6;
const SHORT_TEXT = 'a message of eighty bytes, as long as what people write when they are in a hurry';

/** A process to be measured, once a round. */
interface Side {
  readonly name: string;
  readonly chats: number;
  readonly texts: 'sampled' | 'short';
}

const EMPTY: Side = { name: '1 chat', chats: 1, texts: 'sampled' };
const SMALL: Side = { name: '1,000 chats', chats: 1000, texts: 'sampled' };
const MIDDLE: Side = { name: '10,000 chats', chats: 10_000, texts: 'sampled' };
const LARGE: Side = { name: '100,000 chats', chats: 100_000, texts: 'sampled' };
const SHORT: Side = { name: '10,000 chats, texts of 80 bytes', chats: 10_000, texts: 'short' };
const SIDES = [EMPTY, SMALL, MIDDLE, LARGE, SHORT];

/** The reports of a side, one a round. */
type Reports = ReadonlyMap<Side, readonly MemoryReport[]>;

/**
 * What the cache costs in its own process: time and allocation of a read and a write, memory against what is encoded, and the pause of a
 * full collection, at three sizes that alternate.
 *
 * @param source - a folder in the import format, whose texts are sampled; absent: made-up ones.
 */
export async function benchMemory(source?: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'scrollback-bench-'));
  const origin = source === undefined ? 'made-up' : 'real';
  try {
    const texts = await sampleTexts(source, SAMPLED_TEXTS);
    const files = { sampled: join(folder, 'sampled.txt'), short: join(folder, 'short.txt') };
    await writeFile(files.sampled, texts.map((text) => JSON.stringify(text)).join('\n'));
    await writeFile(files.short, JSON.stringify(SHORT_TEXT));
    const reports = new Map<Side, MemoryReport[]>(SIDES.map((side) => [side, []]));
    for (let round = 1; round <= ROUNDS; round++) {
      for (const side of SIDES) {
        process.stderr.write(`round ${round}: ${side.name}\n`);
        reports.get(side)!.push(await probe(side.chats, files[side.texts]));
      }
    }
    writeCosts(reports, origin);
    writeMemory(reports, origin);
    benchPackedBlocks(texts, origin);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function probe(chats: number, textsFile: string): Promise<MemoryReport> {
  const program = fileURLToPath(new URL('./probe/memory-probe.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, String(chats), textsFile]);
  return JSON.parse(stdout) as MemoryReport;
}

function writeCosts(reports: Reports, origin: string): void {
  const operations = [
    ['getChat', 'getChat'],
    ['page', 'page of 50'],
    ['apply', 'a message applied'],
    ['inbox', 'inbox of 50 of 1,000 chats'],
  ] as const;
  const sizes = [SMALL, MIDDLE, LARGE];
  const figures = operations.flatMap(([key, name]): Figure[] => [
    ...sizes.map((side) => figure(reports, `time: ${name}`, side, 'µs', ({ costs }) => costs![key].microseconds)),
    ratio(reports, `time: ${name}`, ({ costs }) => costs![key].microseconds),
  ]);
  const allocations = operations.map(([key, name]) =>
    figure(
      reports,
      `allocation, at 10,000 chats`,
      { ...MIDDLE, name },
      'bytes',
      ({ costs }) => costs![key].allocatedBytes,
    ),
  );
  writeSection(
    'In process',
    `Calls of the cache in a process that holds chats of 100 messages with ${origin} texts, on chats in no order whose ids come as new ` +
      'strings. The page is copied into one buffer, as an answer is; what is allocated counts the memory outside the heap.',
    [...figures, ...allocations],
  );
}

function writeMemory(reports: Reports, origin: string): void {
  const of = (table: string, unit: string, value: (report: MemoryReport) => number, sides: readonly Side[]): Figure[] =>
    sides.map((side) => figure(reports, table, side, unit, value));
  const held = [SMALL, MIDDLE, LARGE, SHORT];
  const baseGc = reports.get(EMPTY)!.map(({ fullGcMs }) => fullGcMs);
  writeSection(
    'Memory',
    `A process of its own for each size, with chats of 100 messages and three or four members; ${origin} texts but for the last line of each ` +
      'table. Encoded: the bytes of the messages as they are sent. Growth: heap and memory outside it, after against before the fill. The process with one ' +
      'chat shows what Node and the modules take.',
    [
      ...of('RSS', 'MB', ({ rssBytes }) => rssBytes / 1e6, SIDES),
      ...of('RSS / encoded', '', ({ rssBytes, encodedBytes }) => rssBytes / encodedBytes, held),
      ...of(
        '(RSS - 100 MB) / encoded',
        '',
        (report) => (report.rssBytes - ALLOWANCE_BYTES) / report.encodedBytes,
        held,
      ),
      ...of('ledger / growth', '', ({ ledgerBytes, grownBytes }) => ledgerBytes / grownBytes, held),
      ...of('full collection', 'ms', ({ fullGcMs }) => fullGcMs, SIDES),
      ...held.map((side) => ({
        table: 'full collection, less that with one chat',
        name: side.name,
        rounds: reports.get(side)!.map(({ fullGcMs }, round) => fullGcMs - baseGc[round]!),
        unit: 'ms',
      })),
    ],
  );
}

function figure(
  reports: Reports,
  table: string,
  side: Side,
  unit: string,
  value: (report: MemoryReport) => number,
): Figure {
  const measured = SIDES.find(({ chats, texts }) => chats === side.chats && texts === side.texts)!;
  return { table, name: side.name, rounds: reports.get(measured)!.map(value), unit };
}

/** The largest size by the smallest: what a read pays for others' chats. */
function ratio(reports: Reports, table: string, value: (report: MemoryReport) => number): Figure {
  const large = reports.get(LARGE)!.map(value);
  const small = reports.get(SMALL)!.map(value);
  return { table, name: '100,000 / 1,000', rounds: large.map((each, round) => each / small[round]!), unit: '' };
}
