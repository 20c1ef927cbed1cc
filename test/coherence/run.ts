import { parseArgs } from 'node:util';
import { runCoherence } from './coherence-run.js';
import { reportText } from './report-text.js';
import { RunTotals } from './run-totals.js';

/** Faults for each seed; then come the checks, and the next seed with a new database. */
const FAULTS_MS = 120_000;

/** Unless a time or a number of operations is asked for. */
const MINUTES = 5;

// `npm run test:coherence -- --seed 1 --minutes 10`: seeds from the first on until the time is over; or `--operations 1000000`: until so many
// have been done and checked, the last seed to its end. `--crowds 8` of clients; each of their hands pauses for at most `--pause 500`
// milliseconds between two operations.
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    operations: { type: 'string' },
    crowds: { type: 'string', default: '8' },
    pause: { type: 'string', default: '500' },
  },
});
const firstSeed = wholeNumber(values.seed, 'seed');
const wanted = values.operations === undefined ? Infinity : wholeNumber(values.operations, 'operations');
const minutes = values.minutes === undefined ? undefined : wholeNumber(values.minutes, 'minutes');
const crowds = wholeNumber(values.crowds, 'crowds');
const pauseMs = wholeNumber(values.pause, 'pause');

// Ends the faults; what was done until then is checked, and nothing stays behind.
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const limitMinutes = minutes ?? (wanted === Infinity ? MINUTES : Infinity);
const untilMs = performance.now() + limitMinutes * 60_000;
const totals = new RunTotals();
const goesOn = (): boolean => performance.now() < untilMs && totals.operations < wanted && !stop.signal.aborted;
for (let seed = firstSeed; goesOn(); seed++) {
  const report = await runCoherence({
    seed,
    faultsMs: Math.min(FAULTS_MS, untilMs - performance.now()),
    crowds,
    pauseMs,
    stop: stop.signal,
  });
  process.stdout.write(`${reportText(report)}\n`);
  totals.add(report);
}
process.stdout.write(totals.text());
process.exitCode = totals.violations === 0 ? 0 : 1;

function wholeNumber(text: string, name: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`--${name} must be a whole number.\n`);
  process.exit(1);
}
