/** Rows written by one transaction. More hold their chats' locks longer, fewer pay for more commits. */
export const BATCH_ROWS = 5000;

/** A line's value, and where in its file it was. */
export interface Numbered<T> {
  readonly value: T;
  readonly lineNumber: number;
}

/** Collects rows into batches and writes them one after the other, each while the next one is collected. */
export class ImportLane<T> {
  #batch: Numbered<T>[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly write: (rows: readonly Numbered<T>[]) => Promise<void>) {}

  /**
   * Adds a row. Returns a promise only when the lane has to wait for the batch before.
   *
   * @throws what writing that batch threw.
   */
  add(row: Numbered<T>): Promise<void> | undefined {
    return this.#batch.push(row) < BATCH_ROWS ? undefined : this.#flush();
  }

  /** Writes what is left. @throws what writing threw. */
  async end(): Promise<void> {
    if (this.#batch.length > 0) await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    this.#writing = this.write(this.#batch);
    // It is waited for by the next batch or the end; until then a failure must not look unhandled.
    this.#writing.catch(() => undefined);
    this.#batch = [];
  }
}
