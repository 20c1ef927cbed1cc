/** How the operations of one kind went. */
export interface OperationCounts {
  /** Answered by 2xx as new. */
  acknowledged: number;
  /** Answered by the message that the same clientId named before. */
  replayed: number;
  /** Refused for good, as they had to be. */
  refused: number;
  /** Left without an answer, where they cannot be sent again. */
  unknown: number;
  /** Tries that were not answered: the connection broke, or the answer took too long. */
  unanswered: number;
  /** Tries that were answered by 503, by code. */
  readonly unavailable: Map<string, number>;
}

/** Counts operations by kind, for the report. */
export class OperationTally {
  readonly #kinds = new Map<string, OperationCounts>();

  /** The counts of a kind, to be raised. */
  of(kind: string): OperationCounts {
    let counts = this.#kinds.get(kind);
    if (counts === undefined) {
      counts = { acknowledged: 0, replayed: 0, refused: 0, unknown: 0, unanswered: 0, unavailable: new Map() };
      this.#kinds.set(kind, counts);
    }
    return counts;
  }

  /** All counts, kinds in the order of the alphabet. */
  entries(): [string, OperationCounts][] {
    return [...this.#kinds].sort(([one], [other]) => (one < other ? -1 : 1));
  }
}
