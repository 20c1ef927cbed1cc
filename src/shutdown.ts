import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { errorFields } from './common/error-fields.js';
import type { LogEvent } from './common/log-line.js';
import type { Environment } from './config/environment.js';
import { HealthService } from './health/health.service.js';
import type { Instance } from './main.js';
import { DatabaseServer } from './storage/database-server.js';

/**
 * Ctrl-C reaches the whole foreground group, and npm passes it on as well: one key press is two signals a few
 * milliseconds apart.
 */
const SAME_PRESS_MS = 100;

/** What the embedded database gets to stop when the time is over. */
const LAST_STOP_MS = 2000;

/** Why a start has ended before the instance served: it was told to end. */
export class StartEndedError extends Error {
  override readonly name = 'StartEndedError';

  constructor(signal: NodeJS.Signals) {
    super(`${signal} has ended the start.`);
  }
}

/**
 * Ends the process gracefully on the first SIGTERM or SIGINT, at once on the second.
 *
 * While it starts, the start is ended and what it has started is stopped. Later readiness turns 503; after the drain time HTTP closes, what is at work is
 * finished, the cache's heat is saved, the database is closed last; exit code 0. Past the time limit the process exits with 1.
 *
 * @param starting - settles when the instance serves, or could not be started.
 * @param start - is aborted with a {@link StartEndedError}.
 */
export function closeOnSignal(
  starting: Promise<Instance>,
  start: AbortController,
  limits: Pick<Environment, 'SHUTDOWN_DRAIN_MS' | 'SHUTDOWN_TIMEOUT_MS'>,
): void {
  const logger = new Logger('Shutdown');
  let instance: Instance | undefined;
  let closingSinceMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closingSinceMs !== undefined) {
      if (performance.now() - closingSinceMs < SAME_PRESS_MS) return;
      logger.warn(`${signal} again: exiting at once.`);
      process.exit(1);
    }
    closingSinceMs = performance.now();
    logger.log(instance === undefined ? `${signal}: the start ends.` : `${signal}: closing.`);
    setTimeout(() => {
      logger.error(`Not closed after ${limits.SHUTDOWN_TIMEOUT_MS} ms: exiting.`);
      // Whatever could not be closed, the embedded database should not be left behind.
      const stopping = instance?.app.get(DatabaseServer, { strict: false }).stop();
      void Promise.race([stopping, delay(LAST_STOP_MS)]).finally(() => process.exit(1));
    }, limits.SHUTDOWN_TIMEOUT_MS).unref();
    start.abort(new StartEndedError(signal));
    void close(starting, limits.SHUTDOWN_DRAIN_MS).then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ event: 'close_failed', message: 'Closing failed.', ...errorFields(error) } satisfies LogEvent);
        process.exit(1);
      },
    );
  };
  starting.then(
    (started) => (instance = started),
    () => undefined,
  );
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

async function close(starting: Promise<Instance>, drainMs: number): Promise<void> {
  let instance: Instance;
  try {
    instance = await starting;
  } catch (error) {
    if (error instanceof StartEndedError) return;
    throw error;
  }
  instance.app.get(HealthService).startDraining();
  if (drainMs > 0) await delay(drainMs);
  await instance.close();
}
