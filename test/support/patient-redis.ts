import { jest } from '@jest/globals';
import { RedisCommands } from '../../src/redis/redis-commands.js';

/** A busy machine answers within it. */
const LEAST_MS = 5000;

/**
 * Gives commands to Redis more time than readers do, until it is restored: for tests of what is found there, not of how soon readers go on
 * without.
 */
export function waitForRedis(): { mockRestore(): void } {
  const { attempt } = RedisCommands.prototype;
  return jest.spyOn(RedisCommands.prototype, 'attempt').mockImplementation(function (
    this: RedisCommands,
    run,
    timeoutMs,
  ) {
    return attempt.call(this, run, Math.max(timeoutMs ?? 0, LEAST_MS));
  });
}
