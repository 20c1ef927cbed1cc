import type { FaultCount } from '../faults/fault-injector.js';
import { COHERENCE_HITS, type CoherenceFault } from './coherence-faults.js';
import type { CoherenceReport, CoherenceWork } from './coherence-run.js';
import { lagText, workText } from './report-text.js';

/** What seeds have come to together. Of each, numbers alone are kept: a run may be of any length. */
export class RunTotals {
  readonly #work = { reads: 0, tellings: 0, stale: 0, writes: 0, handEdits: 0 } satisfies CoherenceWork;
  readonly #faults = new Map<CoherenceFault, FaultCount>();
  readonly #lagsMs: number[] = [];
  /** Seeds with violations. */
  readonly #wrong: number[] = [];
  #seeds = 0;
  #seconds = 0;
  #violations = 0;

  /** Operations done and checked: reads answered, writes acknowledged and edits by hand committed. */
  get operations(): number {
    const { reads, writes, handEdits } = this.#work;
    return reads + writes + handEdits;
  }

  get violations(): number {
    return this.#violations;
  }

  /** Takes in what a seed has come to. */
  add(report: CoherenceReport): void {
    this.#seeds++;
    this.#seconds += report.seconds;
    for (const part of Object.keys(this.#work) as (keyof CoherenceWork)[]) this.#work[part] += report[part];
    for (const [kind, { times, hit }] of report.faults) {
      const count = this.#faults.get(kind) ?? { times: 0, hit: 0 };
      this.#faults.set(kind, { times: count.times + times, hit: count.hit + hit });
    }
    for (const lagMs of report.lagsMs) this.#lagsMs.push(lagMs);
    if (report.findings.violations.length > 0) this.#wrong.push(report.seed);
    this.#violations += report.findings.violations.length;
  }

  /** All of it, for people. */
  text(): string {
    const lagsMs = this.#lagsMs.sort((one, other) => one - other);
    const perSecond = (this.operations / this.#seconds).toFixed(0);
    const lines = [
      `All ${this.#seeds} seeds: ${this.#seconds.toFixed(0)} s, ${workText(this.#work)}; ${perSecond} operations a second.`,
      'Faults',
      ...[...this.#faults].map(([kind, { times, hit }]) => `  ${kind}: ${times} (${COHERENCE_HITS[kind]}: ${hit})`),
      `Lag to another instance over ${lagsMs.length} writes, faults included: ${lagText(lagsMs)}`,
      `Violations: ${this.#violations}${this.#wrong.length > 0 ? `, of seeds ${this.#wrong.join(', ')}` : ''}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}
