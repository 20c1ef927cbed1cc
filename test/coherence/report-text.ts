import { countsText } from '../faults/report-text.js';
import { COHERENCE_HITS } from './coherence-faults.js';
import type { CoherenceReport, CoherenceWork } from './coherence-run.js';

/** Violations that are printed; there may be thousands of one cause. */
const PRINTED = 20;

/** What a run has done, hit, checked and found, for people. */
export function reportText(report: CoherenceReport): string {
  const { seed, topology, seconds, operations, faults, findings, lagsMs, folder } = report;
  const lines = [
    `Seed ${seed}, ${topology}: ${seconds.toFixed(0)} s, ${workText(report)}.`,
    'Operations',
    ...operations.entries().map(([kind, counts]) => `  ${kind}: ${countsText(counts)}`),
    'Faults',
    ...[...faults].map(([kind, { times, hit }]) => `  ${kind}: ${times} (${COHERENCE_HITS[kind]}: ${hit})`),
    'Checked',
    ...[...findings.checked].map(([check, count]) => `  ${check}: ${count}`),
    `Lag to another instance over ${lagsMs.length} writes, faults included: ${lagText(lagsMs)}`,
    `Violations: ${findings.violations.length}`,
    ...findings.violations.slice(0, PRINTED).map(({ check, what }) => `  ${check}: ${what}`),
  ];
  if (folder !== undefined) lines.push(`The database and its log are left in ${folder}.`);
  return `${lines.join('\n')}\n`;
}

/** How much of what was done, in words. */
export function workText({ reads, tellings, stale, writes, handEdits }: CoherenceWork): string {
  const all = reads + writes + handEdits;
  return `${all} operations: ${reads} reads (${tellings} of one chat each, ${stale} marked stale), ${writes} acknowledged writes, ${handEdits} edits by hand`;
}

/** Shares of an ascending list, in milliseconds. */
export function lagText(lagsMs: readonly number[]): string {
  const share = (part: number): string => `${(lagsMs[Math.floor(part * (lagsMs.length - 1))] ?? NaN).toFixed(0)} ms`;
  return `p50 ${share(0.5)}, p99 ${share(0.99)}, max ${share(1)}`;
}
