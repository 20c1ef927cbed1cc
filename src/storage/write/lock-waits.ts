import { setTimeout as delay } from 'node:timers/promises';
import type { LockManner } from './locked-chats.js';

/** Transactions that wait in the database for a lock of somebody else's. Each holds a connection of the pool. */
const PATIENT_LIMIT = 3;

/** Connections that patient transactions leave to readers, and to those who look again. */
const CONNECTIONS_LEFT = 2;

/** Writes to a chat that somebody keeps locked longer than this are refused. */
const LOCK_WAIT_LIMIT_MS = 30_000;

/** Between two looks at a chat that somebody has locked, when too many are waited for already. */
const LOOK_AGAIN_FIRST_MS = 10;
const LOOK_AGAIN_LAST_MS = 320;

/**
 * Waits for chats that somebody else has locked, each by itself. A few wait in the database, which is quick when the lock is let go; the
 * others look again and again, one of them at a time: however many there are, and whatever a look takes, it is one connection.
 */
export class LockWaits {
  #waiting = 0;
  #patient = 0;
  #lastLook: Promise<unknown> = Promise.resolve();
  readonly #patientLimit: number;

  /** @param connections - of the pool, without those of batches that do not wait. */
  constructor(connections: number) {
    this.#patientLimit = Math.min(PATIENT_LIMIT, Math.max(0, connections - CONNECTIONS_LEFT));
  }

  /** Whether somebody's locks are waited for now. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /**
   * Attempts something until it says that no lock was in its way.
   *
   * @param attempt - resolves to whether it is done.
   * @returns false when the locks were not let go for too long.
   */
  async attempt(attempt: (manner: LockManner) => Promise<boolean>): Promise<boolean> {
    const startedMs = performance.now();
    const isTooLate = (): boolean => performance.now() - startedMs > LOCK_WAIT_LIMIT_MS;
    this.#waiting++;
    try {
      let isDone = false;
      for (let delayMs = LOOK_AGAIN_FIRST_MS; !isDone; delayMs = Math.min(2 * delayMs, LOOK_AGAIN_LAST_MS)) {
        if (isTooLate()) return false;
        if (this.#patient < this.#patientLimit) {
          isDone = await this.#attemptPatiently(attempt);
        } else {
          await delay(delayMs);
          isDone = await this.#inTurn(async () => !isTooLate() && attempt('careful'));
        }
      }
      return true;
    } finally {
      this.#waiting--;
    }
  }

  async #attemptPatiently(attempt: (manner: LockManner) => Promise<boolean>): Promise<boolean> {
    this.#patient++;
    try {
      return await attempt('patient');
    } finally {
      this.#patient--;
    }
  }

  #inTurn<T>(look: () => Promise<T>): Promise<T> {
    const turn = this.#lastLook.then(look);
    this.#lastLook = turn.catch(() => undefined);
    return turn;
  }
}
