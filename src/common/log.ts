import type { LoggerService } from '@nestjs/common';
import type { LogLevel } from './log-line.js';
import { ProcessLogger } from './process-logger.js';

/** Makes the logger of the process. */
export function createLogger(level: LogLevel): LoggerService {
  return new ProcessLogger(level, process.stdout, process.stderr);
}
