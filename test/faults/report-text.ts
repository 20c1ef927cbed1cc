import { HITS } from './fault-injector.js';
import type { FaultReport } from './fault-run.js';
import type { OperationCounts } from './operation-tally.js';

/** Violations that are printed; there may be thousands of one cause. */
const PRINTED = 20;

/** What a run has done, hit, checked and found, for people. */
export function reportText(report: FaultReport): string {
  const { seed, seconds, operations, faults, findings, messages, acknowledged } = report;
  const lines = [
    `Seed ${seed}: ${seconds.toFixed(0)} s, ${messages} messages in the database, ${acknowledged} acknowledged.`,
    'Operations',
    ...operations.entries().map(([kind, counts]) => `  ${kind}: ${countsText(counts)}`),
    'Faults',
    ...[...faults].map(([kind, { times, hit }]) => `  ${kind}: ${times} (${HITS[kind]}: ${hit})`),
    `  the database crashed ${report.crashes} times and recovered ${report.recoveries} times`,
    `  starts of the instance that failed because the database was away: ${report.failedStarts}`,
    'Checked',
    ...[...findings.checked].map(([check, count]) => `  ${check}: ${count}`),
    `Violations: ${findings.violations.length}`,
    ...findings.violations.slice(0, PRINTED).map(({ check, what }) => `  ${check}: ${what}`),
  ];
  if (report.folder !== undefined) {
    lines.push(`The database and its log are left in ${report.folder}. The instance said last:`, ...report.lastLines);
  }
  return `${lines.join('\n')}\n`;
}

/** How the operations of one kind went, in words. */
export function countsText({
  acknowledged,
  replayed,
  refused,
  unknown,
  unanswered,
  unavailable,
}: OperationCounts): string {
  const parts: [string, number][] = [
    ['acknowledged', acknowledged],
    ['replayed', replayed],
    ['refused', refused],
    ['unknown', unknown],
    ['tries unanswered', unanswered],
    ...[...unavailable].map(([code, times]): [string, number] => [`tries answered ${code}`, times]),
  ];
  const counted = parts.filter(([, times]) => times > 0);
  return counted.map(([what, times]) => `${times} ${what}`).join(', ');
}
