import type { HistoryAnswer } from './history.js';

/** The highest version that was told until each moment. */
export class VersionTimeline {
  readonly #byReturn: readonly HistoryAnswer[];
  /** By place: the answer with the highest version up to there. */
  readonly #highest: readonly HistoryAnswer[];

  constructor(answers: readonly HistoryAnswer[]) {
    this.#byReturn = [...answers].sort((one, other) => one.returnedMs - other.returnedMs);
    const highest: HistoryAnswer[] = [];
    for (const answer of this.#byReturn) {
      const last = highest.at(-1);
      highest.push(last === undefined || answer.version > last.version ? answer : last);
    }
    this.#highest = highest;
  }

  /** The answer with the highest version of those that had returned before a moment; `undefined` when none had. */
  highestBefore(timeMs: number): HistoryAnswer | undefined {
    let from = 0;
    let to = this.#byReturn.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#byReturn[middle]!.returnedMs < timeMs) from = middle + 1;
      else to = middle;
    }
    return this.#highest[from - 1];
  }
}
