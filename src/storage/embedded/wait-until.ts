import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 20;

/**
 * Polls a condition until it holds.
 *
 * @returns whether it held within `timeoutMs`; it is tried at least once.
 */
export async function waitUntil(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() >= deadlineMs) return false;
    await sleep(POLL_INTERVAL_MS);
  }
}

/**
 * Waits for a promise, but not for ever.
 *
 * @returns whether it settled within `timeoutMs`. A rejection counts as settled and is swallowed.
 */
export async function settlesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const timer = new AbortController();
  const settled = promise.then(
    () => true,
    () => true,
  );
  const expired = sleep(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([settled, expired]);
  } finally {
    timer.abort();
  }
}
