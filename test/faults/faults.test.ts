import { beforeAll, describe, expect, it } from '@jest/globals';
import { runFaults, type FaultReport } from './fault-run.js';
import { reportText } from './report-text.js';

/** Time for faults in the suite; each kind is done once, however long that takes. `npm run test:faults` is the long form. */
const FAULTS_MS = 8000;

const TIMEOUT_MS = 180_000;

describe('an instance and a database that are struck while clients write', () => {
  let report: FaultReport;
  beforeAll(async () => {
    const seed = Number(process.env['FAULTS_SEED'] ?? 1);
    process.stderr.write(`faults: FAULTS_SEED=${seed}\n`);
    report = await runFaults({ seed, faultsMs: FAULTS_MS });
    process.stderr.write(reportText(report));
  }, TIMEOUT_MS);

  it('break no promise', () => {
    expect(report.findings.violations).toEqual([]);
  });

  it('have been struck in every way', () => {
    for (const [kind, { times }] of report.faults) expect({ kind, times }).not.toEqual({ kind, times: 0 });
    expect(report.crashes).toBeGreaterThanOrEqual(2);
    expect(report.recoveries).toBe(report.crashes);
    for (const kind of ['commits held', 'head locked', 'slow disk', 'database connections cut'] as const) {
      expect({ kind, hit: report.faults.get(kind)!.hit }).not.toEqual({ kind, hit: 0 });
    }
  });

  it('have been written to, and looked at from all sides', () => {
    expect(report.acknowledged).toBeGreaterThan(0);
    const checks = [...report.findings.checked].filter(([, count]) => count > 0).map(([check]) => check);
    const wanted = [
      'acknowledged',
      'acknowledged after a crash',
      'answers',
      'answers by fwd=bypass',
      'answers by hit',
      'cache equals database',
      'changes since 0',
      'chats',
      'contents',
      'exactly once',
      'life of the instance',
      'lines without holes',
      'members and markers',
      'order',
      'pages',
      'reactions',
      'reads after writes',
      'rows that were sent',
      'unread counts',
      'versions',
      'warmed cache equals database',
    ];
    expect(checks).toEqual(expect.arrayContaining(wanted));
  });
});
