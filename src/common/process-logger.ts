import type { LoggerService } from '@nestjs/common';
import { currentActivity } from './activity.js';
import { errorFields, isError } from './error-fields.js';
import { jsonLine, LOG_LEVELS, terminalLine, type LogFields, type LogLevel, type LogValue } from './log-line.js';

/** Where lines go. */
export interface LogStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** What Nest says of its own start: a line for every module and route. Of interest to whoever debugs the start. */
const FRAMEWORK_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** A stack, as Nest tells it from the name of whoever speaks. */
const STACK = /^.+\n\s+at /;

/**
 * The logger of the process: each call is one event and one line, JSON or, where the stream is a terminal, for people to read.
 *
 * @remarks Of what it is given it writes sentences, the fields of events and the safe part of errors. Other objects are left out: a library may
 * hand over anything, messages of users among it.
 */
export class ProcessLogger implements LoggerService {
  readonly #shown: ReadonlySet<LogLevel>;

  constructor(
    level: LogLevel,
    private readonly out: LogStream,
    /** Takes errors and what is fatal. */
    private readonly err: LogStream,
  ) {
    this.#shown = new Set(LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1));
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.#say(FRAMEWORK_CONTEXTS.has(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  }

  /** What stopped a start is thrown as well, and whoever started it says so in one line. */
  error(message: unknown, ...rest: unknown[]): void {
    this.#say(rest.at(-1) === 'ExceptionHandler' ? 'debug' : 'error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#say('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#say('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#say('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#say('fatal', message, rest);
  }

  #say(level: LogLevel, said: unknown, rest: readonly unknown[]): void {
    if (!this.#shown.has(level)) return;
    const last = rest.at(-1);
    const hasContext = typeof last === 'string' && !STACK.test(last);
    const { message, ...fields } = { ...sharedFields(), ...restFields(rest), ...saidFields(said) };
    const line = {
      timeMs: Date.now(),
      level,
      context: hasContext ? last : 'Scrollback',
      message: typeof message === 'string' ? message : '',
      fields,
    };
    const stream = level === 'error' || level === 'fatal' ? this.err : this.out;
    stream.write(`${stream.isTTY === true ? terminalLine(line) : jsonLine(line)}\n`);
  }
}

/** For whom the running code works. */
function sharedFields(): LogFields {
  const activity = currentActivity();
  if (activity === undefined) return {};
  const [requestId, ...others] = activity.requestIds;
  return {
    ...(others.length === 0 ? { requestId } : { requestIds: activity.requestIds }),
    traceId: activity.traceId,
  };
}

function saidFields(said: unknown): LogFields {
  if (typeof said === 'string') return { message: said };
  if (isError(said)) {
    const fields = errorFields(said);
    return { message: fields.error, ...fields };
  }
  if (typeof said === 'object' && said !== null && 'event' in said) {
    const fields = Object.entries(said as Readonly<Record<string, unknown>>);
    return Object.fromEntries(fields.filter((field): field is [string, LogValue] => isLogValue(field[1])));
  }
  return { message: typeof said === 'function' ? said.name : `(${typeof said})` };
}

/** An error or its stack beside a sentence. */
function restFields(rest: readonly unknown[]): LogFields {
  const error = rest.find((each) => isError(each));
  if (error !== undefined) return { ...errorFields(error) };
  const stack = rest.find((each) => typeof each === 'string' && STACK.test(each));
  // Its first line is the message of an error whose kind is not known here.
  return typeof stack === 'string' ? { stack: stack.slice(stack.search(/\n\s+at /)).trim() } : {};
}

function isLogValue(value: unknown): value is LogValue {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string');
  return ['string', 'number', 'boolean'].includes(typeof value);
}
