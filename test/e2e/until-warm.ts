import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from '../support/api-client.js';

/** Resolves when the instance has loaded what it loads at its start, as `/health/startup` tells. */
export async function untilWarm(api: ApiClient): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  while ((await api.get('/health/startup')).status !== 200) {
    if (Date.now() > deadlineMs) throw new Error('the instance does not get warm');
    await delay(5);
  }
}
