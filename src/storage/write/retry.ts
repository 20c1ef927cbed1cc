import { setTimeout as delay } from 'node:timers/promises';
import { CommitOutcomeUnknownError } from '../open-transaction.js';
import { isTransient } from '../sqlstate.js';

/** How often a transaction that met a transient error is tried again, and how long before each try. */
const RETRY_DELAYS_MS = [10, 50, 250, 1000];

/**
 * Runs a transaction, and again where the database asks for it and nothing was written.
 *
 * @throws what the last try throws; CommitOutcomeUnknownError at once.
 */
export async function retryTransient<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const delayMs = RETRY_DELAYS_MS[tries];
      if (error instanceof CommitOutcomeUnknownError || delayMs === undefined || !isTransient(error)) throw error;
      await delay(delayMs);
    }
  }
}
