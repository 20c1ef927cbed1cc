import { beforeAll, describe, expect, it } from '@jest/globals';
import { runCoherence, type CoherenceReport } from './coherence-run.js';
import { READS } from './history-recorder.js';
import { reportText } from './report-text.js';

/** Time for faults in the suite; each kind is done once, however long that takes. `npm run test:coherence` is the long form. */
const FAULTS_MS = 20_000;

/** Fewer clients than in the long form: other tests run beside it. */
const CROWDS = 2;

const TIMEOUT_MS = 180_000;

describe('three instances that are struck while clients go from one to the other', () => {
  let report: CoherenceReport;
  beforeAll(async () => {
    const seed = Number(process.env['COHERENCE_SEED'] ?? 1);
    process.stderr.write(`coherence: COHERENCE_SEED=${seed}\n`);
    report = await runCoherence({ seed, faultsMs: FAULTS_MS, crowds: CROWDS });
    process.stderr.write(reportText(report));
  }, TIMEOUT_MS);

  it('keep all that is promised of their answers', () => {
    expect(report.findings.violations).toEqual([]);
  });

  it('have been struck in every way', () => {
    for (const [kind, { times }] of report.faults) expect({ kind, times }).not.toEqual({ kind, times: 0 });
  });

  it('have been read and written in every way, and followed from one to the other', () => {
    const done = report.operations.entries().filter(([, { acknowledged }]) => acknowledged > 0);
    const kinds = done.map(([kind]) => kind);
    const writes = ['send', 'edit', 'reaction', 'read marker', 'member', 'inserted by hand', 'altered by hand'];
    expect(kinds).toEqual(expect.arrayContaining([...READS.map((kind) => `read of ${kind}`), ...writes]));
    expect(report.lagsMs.length).toBeGreaterThan(0);
  });

  it('have been checked by every rule', () => {
    const rules = [
      'acknowledged sends',
      'chats verified',
      'divergence',
      'every instance equals the database',
      'exactly once',
      'last version',
      'life of the instances',
      'lines without holes',
      'nothing from the future',
      'one instance never goes back',
      'one version, one state',
      'rows that were sent',
      'staleness bound',
      'state at the end',
      'texts',
      'tokens',
      'verify',
      'versions are given out once',
    ];
    const checked = [...report.findings.checked].filter(([, count]) => count > 0).map(([check]) => check);
    expect(checked).toEqual(expect.arrayContaining(rules));
  });
});
