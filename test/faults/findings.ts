/** Something that the instance or the database must never do, and did. */
export interface Violation {
  /** What was being checked. */
  readonly check: string;
  /** What was found and what belongs there, with the ids to look for. */
  readonly what: string;
}

/** What was checked, how often, and what was found to be wrong. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly #checked = new Map<string, number>();

  /** How many things were looked at, by check. */
  get checked(): ReadonlyMap<string, number> {
    return this.#checked;
  }

  /** Counts things that a check has looked at. */
  count(check: string, things = 1): void {
    this.#checked.set(check, (this.#checked.get(check) ?? 0) + things);
  }

  /** Notes a violation. */
  violate(check: string, what: string): void {
    this.violations.push({ check, what });
  }

  /** Looks at one thing: counts it, and notes a violation when it is not right. `what` is made only then. */
  expect(isRight: boolean, check: string, what: () => string): void {
    this.count(check);
    if (!isRight) this.violate(check, what());
  }
}
