import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { SoakOptions, SoakReport } from './soak-process.js';

const MIB = 2 ** 20;

/** `npm run test:soak` is the long form; the suite runs a short one. */
const IS_LONG = process.env.SOAK === 'long';

/**
 * What a process takes beside its budget: Node and the modules 105 MiB; the young generation and the room that the heap keeps for itself
 * about 50 MiB; answers and buffers that nobody has collected yet about 30 MiB; and what malloc keeps of blocks that have gone. Measured
 * at the end: 195 to 200 MiB with budgets of 8 and 32 MiB, 263 MiB (273 at the highest) with one of 256 MiB; the rest is for other machines.
 */
const BESIDE_BUDGET_BYTES = 320 * MIB;

/** What may differ between two measurements of the same heap: compiled code, tables that grow in steps. */
const SAME_HEAP_SHARE = 0.03;
const SAME_HEAP_BYTES = 2 * MIB;

const BUDGET_BYTES = (IS_LONG ? 256 : 8) * MIB;
const FILLING: SoakOptions = {
  chats: BUDGET_BYTES / 2000,
  messagesPerChat: 100,
  budgetBytes: BUDGET_BYTES,
  untilBytes: 10 * BUDGET_BYTES,
  untilFills: 0,
  writes: 1,
};
const PASSING: SoakOptions = {
  chats: IS_LONG ? 1_000_000 : 50_000,
  messagesPerChat: 3,
  budgetBytes: 4 * MIB,
  untilBytes: 0,
  untilFills: IS_LONG ? 1_000_000 : 50_000,
  writes: 0.1,
};

const TIMEOUT_MS = IS_LONG ? 3_600_000 : 180_000;

/** Runs the cache in a process of its own, whose memory is of nothing else. */
async function soak(options: SoakOptions): Promise<SoakReport> {
  const program = fileURLToPath(new URL('./soak-process.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, JSON.stringify(options)]);
  const report = JSON.parse(stdout) as SoakReport;
  if (IS_LONG) process.stderr.write(`${JSON.stringify(report, undefined, 2)}\n`);
  return report;
}

/** What is there beside what the ledger says is held. */
function expectSameHeap({ tenthUsedBytes, tenthLedgerBytes, endUsedBytes, endLedgerBytes }: SoakReport): void {
  const grownBytes = endUsedBytes - endLedgerBytes - (tenthUsedBytes - tenthLedgerBytes);
  expect(Math.abs(grownBytes)).toBeLessThanOrEqual(SAME_HEAP_SHARE * tenthUsedBytes + SAME_HEAP_BYTES);
}

describe('a process that writes and reads ten times its budget', () => {
  let report: SoakReport;
  beforeAll(async () => {
    report = await soak(FILLING);
  }, TIMEOUT_MS);

  it('has done so, and let go what had no room', () => {
    expect(report.writtenBytes).toBeGreaterThanOrEqual(FILLING.untilBytes);
    expect(report.readBytes).toBeGreaterThanOrEqual(FILLING.untilBytes);
    expect(report.endLedgerBytes).toBeGreaterThan(0.98 * BUDGET_BYTES);
    expect(report.packedBlocks).toBeGreaterThan(0);
    expect(report.removals).toBeGreaterThan(BUDGET_BYTES / 2000);
  });

  it('is within the budget by the ledger after every operation', () => {
    expect(report.peakLedgerBytes).toBeLessThanOrEqual(BUDGET_BYTES);
  });

  it('takes no more memory than the budget and what a process takes beside it', () => {
    expect(report.endRssBytes).toBeLessThanOrEqual(BUDGET_BYTES + BESIDE_BUDGET_BYTES);
    expect(report.peakRssBytes).toBeLessThanOrEqual(BUDGET_BYTES + BESIDE_BUDGET_BYTES);
  });

  it('has the heap that it had when a tenth was done', () => {
    expectSameHeap(report);
  });
});

describe('a process through which chats pass', () => {
  let report: SoakReport;
  beforeAll(async () => {
    report = await soak(PASSING);
  }, TIMEOUT_MS);

  it('has filled and evicted them, within the budget', () => {
    expect(report.fills).toBeGreaterThanOrEqual(PASSING.untilFills);
    // All but those that are still there.
    expect(report.removals).toBeGreaterThan(0.9 * PASSING.untilFills);
    expect(report.peakLedgerBytes).toBeLessThanOrEqual(PASSING.budgetBytes);
  });

  it('has the heap that it had when a tenth was done', () => {
    expectSameHeap(report);
  });
});
