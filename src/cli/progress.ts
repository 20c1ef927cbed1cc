import { SingleBar } from 'cli-progress';

/** Between two lines of progress where there is no terminal. */
const LINE_EVERY_MS = 5000;

/**
 * Shows how far something has come, on stderr: a bar on a terminal, else a line every few seconds. With rate and
 * estimated time left.
 */
export class Progress {
  readonly #startedMs = performance.now();
  readonly #bar: SingleBar | undefined;
  #lastLineMs = performance.now();

  /** @param label - what is counted, such as `messages`. */
  constructor(private readonly label: string) {
    if (!process.stderr.isTTY) return;
    this.#bar = new SingleBar({
      stream: process.stderr,
      format: `{bar} {percentage} % | {rows} ${label} | {rate}/s | {left} left`,
      hideCursor: true,
      clearOnComplete: true,
    });
    this.#bar.start(1, 0, { rows: '0', rate: '0', left: '?' });
  }

  /** @param share - 0 to 1. */
  update(share: number, rows: number): void {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const state = {
      rows: rows.toLocaleString('en'),
      rate: Math.round(rows / Math.max(seconds, 0.001)).toLocaleString('en'),
      left: share <= 0 ? '?' : `${Math.ceil((seconds * (1 - share)) / share)} s`,
    };
    this.#bar?.update(share, state);
    if (this.#bar !== undefined || performance.now() - this.#lastLineMs < LINE_EVERY_MS) return;
    this.#lastLineMs = performance.now();
    const percent = Math.floor(share * 100);
    process.stderr.write(`${percent} % | ${state.rows} ${this.label} | ${state.rate}/s | ${state.left} left\n`);
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop();
  }
}
