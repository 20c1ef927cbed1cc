import type { LoggerService } from '@nestjs/common';
import { errorFields } from './common/error-fields.js';
import type { LogEvent } from './common/log-line.js';

/** Who tells of warnings of Node and of crashes in the log's own form; Node prints errors with all that they hold, rows of the database included. */
const CONTEXT = 'Process';

/** Has the log tell of what Node warns of, and of an error that nobody has caught, which ends the process with code 1 as before. */
export function logCrashes(logger: LoggerService): void {
  process.on('uncaughtException', (error: unknown) => {
    const crash: LogEvent = {
      event: 'crash',
      message: 'An error that nobody caught ends the process.',
      ...errorFields(error),
    };
    logger.fatal?.(crash, CONTEXT);
    process.exit(1);
  });
  // The one that prints them.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    const told: LogEvent = { event: 'node_warning', message: 'Node warns.', ...errorFields(warning) };
    logger.warn(told, CONTEXT);
  });
}
