/** A place in a source file and what a bug puts there. */
export interface SourceEdit {
  /** Stands in the file exactly once, else the bug cannot be seeded. */
  readonly find: string;
  readonly replace: string;
}

/** A test by the file that it is in and its whole name, with those of the blocks around it. */
export interface TestName {
  /** Path from the project's folder. */
  readonly file: string;
  readonly name: string;
}

/** A known bug that can be put into the compiled code, and the test that must fail when it is there. */
export interface SeededBug {
  /** Names it on the command line and in `docs/coherence.md`. */
  readonly name: string;
  /** What the code does wrong with it: a clause that goes on after "The code". */
  readonly does: string;
  /** The source file that it is in; path from the project's folder. */
  readonly file: string;
  readonly edits: readonly SourceEdit[];
  readonly caughtBy: TestName;
  /** A part of the message with which the test must fail; absent: it is enough that an assertion fails. */
  readonly message?: string;
}
