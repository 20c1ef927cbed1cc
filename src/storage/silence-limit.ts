import type { Client, PoolClient } from 'pg';

/**
 * Breaks a connection off when the server has answered nothing for too long: what waits for it fails at once. Each answer gives the server as much time
 * again.
 */
export class SilenceLimit {
  readonly #timer: NodeJS.Timeout;
  #answers = 0;
  #isOver = false;

  /** Begins to count. */
  constructor(
    private readonly client: PoolClient,
    limitMs: number,
  ) {
    this.#timer = setTimeout(() => this.#lookAgain(), limitMs);
  }

  /** Whether the connection was broken off. */
  get isOver(): boolean {
    return this.#isOver;
  }

  noteAnswer(): void {
    this.#answers++;
    if (!this.#isOver) this.#timer.refresh();
  }

  /** To be called when nothing is waited for any more. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Where this process was held up, and not the server, the answers are there and only have to be read: timers come before sockets. */
  #lookAgain(): void {
    const answers = this.#answers;
    setImmediate(() => {
      if (this.#answers !== answers) return;
      this.#isOver = true;
      (this.client as unknown as Client).connection.stream.destroy();
    });
  }
}
