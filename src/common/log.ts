import { ConsoleLogger, type LoggerService, type LogLevel } from '@nestjs/common';
import { redact } from './redact.js';

/** Levels from the quietest on: naming one shows it and all before it. */
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

const NEST_LEVELS: Readonly<Record<(typeof LEVELS)[number], LogLevel>> = {
  fatal: 'fatal',
  error: 'error',
  warn: 'warn',
  info: 'log',
  debug: 'debug',
  trace: 'verbose',
};

/** What Nest says of its own start: a line for every module and route. Of interest to whoever debugs the start. */
const FRAMEWORK_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** The logger of the process: one JSON line per event, or readable lines on a terminal. */
class ProcessLogger extends ConsoleLogger {
  /** What stopped a start is thrown as well, and whoever started it says so in one line. */
  override error(message: unknown, ...rest: unknown[]): void {
    if (rest.at(-1) === 'ExceptionHandler') this.debug(message, ...rest);
    else super.error(message, ...rest);
  }

  override log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && FRAMEWORK_CONTEXTS.has(context)) this.debug(message, ...rest);
    else super.log(message, ...rest);
  }

  /** Every line passes here. Errors of drivers may hold the address that they were given. */
  protected override printMessages(
    messages: unknown[],
    context?: string,
    level?: LogLevel,
    stream?: 'stdout' | 'stderr',
    stack?: unknown,
    params?: Record<string, unknown>,
  ): void {
    const safe = messages.map((message) => (typeof message === 'string' ? redact(message) : message));
    super.printMessages(safe, context, level, stream, typeof stack === 'string' ? redact(stack) : stack, params);
  }
}

/** Makes the logger of the process. */
export function createLogger(level: (typeof LEVELS)[number]): LoggerService {
  const logLevels = LEVELS.slice(0, LEVELS.indexOf(level) + 1).map((each) => NEST_LEVELS[each]);
  const isTerminal = process.stdout.isTTY;
  return new ProcessLogger('Scrollback', { logLevels, json: !isTerminal, colors: isTerminal, prefix: 'Scrollback' });
}
