import { parseArgs } from 'node:util';
import { runCoherence } from './coherence-run.js';
import { reportText } from './report-text.js';

/** Faults for each seed; then come the checks, and the next seed with a new database. */
const FAULTS_MS = 60_000;

// `npm run test:coherence -- --seed 1 --minutes 10 [--pause 30]`: seeds from the first on until the time is over; clients pause for at most
// so many milliseconds between two operations.
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    pause: { type: 'string', default: '30' },
  },
});
const firstSeed = wholeNumber(values.seed, 'seed');
const minutes = wholeNumber(values.minutes, 'minutes');
const pauseMs = wholeNumber(values.pause, 'pause');

// Ends the faults; what was done until then is checked, and nothing stays behind.
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const untilMs = performance.now() + minutes * 60_000;
let violations = 0;
let operations = 0;
for (let seed = firstSeed; performance.now() < untilMs && !stop.signal.aborted; seed++) {
  const report = await runCoherence({
    seed,
    faultsMs: Math.min(FAULTS_MS, untilMs - performance.now()),
    pauseMs,
    stop: stop.signal,
  });
  process.stdout.write(`${reportText(report)}\n`);
  operations += report.reads + report.writes;
  violations += report.findings.violations.length;
}
process.stdout.write(`Reads and acknowledged writes of all seeds: ${operations}; violations: ${violations}\n`);
process.exitCode = violations === 0 ? 0 : 1;

function wholeNumber(text: string, name: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`--${name} must be a whole number.\n`);
  process.exit(1);
}
