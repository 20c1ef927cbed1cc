import { types } from 'node:util';
import { redact } from './redact.js';

/** What the log says of an error, as fields of a line. */
export interface ErrorFields {
  /** Name and message; of the message what cannot hold anybody's content. */
  readonly error: string;
  /** SQLSTATE or Node's code. */
  readonly errorCode?: string;
  /** Constraint that a row broke, and its table. */
  readonly constraint?: string;
  readonly table?: string;
  /** What has caused it, and what has caused that, the outermost first. */
  readonly causes?: readonly string[];
  /** Where it was thrown: the frames alone. */
  readonly stack?: string;
}

/** Causes told of one error at most. */
const CAUSES_SHOWN = 4;

/**
 * Classes of SQLSTATE whose messages name only what the schema has: connection, constraint, transaction state, authorization, syntax, limits,
 * operators, system. Others quote values, such as those that cannot be read as a number.
 */
const SQLSTATES_WITHOUT_VALUES = /^(08|23|25|28|3D|40|42|53|54|55|57|58)/;

/** Words after which libraries quote what they were given. */
const QUOTED_INPUT = /(\bReceived\b|with args beginning with:)[^]*$/;

/**
 * Describes an error for the log. PostgreSQL tells in `detail` and `where` what is in the row that it refuses, TypeORM keeps statements and
 * parameters, parsers quote what they could not read: none of that is taken over.
 */
export function errorFields(error: unknown): ErrorFields {
  if (!isError(error)) return { error: typeOf(error) };
  const { constraint, table } = error as { readonly constraint?: unknown; readonly table?: unknown };
  const code = codeOf(error);
  const causes = causesOf(error);
  const stack = framesOf(error);
  return {
    error: errorText(error),
    ...(code === undefined ? {} : { errorCode: code }),
    ...(typeof constraint === 'string' ? { constraint } : {}),
    ...(typeof table === 'string' ? { table } : {}),
    ...(causes.length === 0 ? {} : { causes }),
    ...(stack === '' ? {} : { stack }),
  };
}

/** The same as one phrase for a sentence, without the place. */
export function errorText(error: unknown): string {
  if (!isError(error)) return typeOf(error);
  const code = codeOf(error);
  const named = code === undefined ? error.name : `${error.name} ${code}`;
  const message = messageOf(error, code);
  return message === '' ? named : `${named}: ${redact(message)}`;
}

function messageOf(error: Error, code: string | undefined): string {
  // A parser of JSON quotes what it has read.
  if (error.name === 'SyntaxError') return '';
  if ('severity' in error && code !== undefined) {
    // What is raised on purpose is worded by whoever wrote the trigger.
    const isRaised = 'routine' in error && error.routine === 'exec_stmt_raise';
    return SQLSTATES_WITHOUT_VALUES.test(code) && !isRaised ? error.message : '';
  }
  // Node's, of a name with several addresses, has no message of its own.
  if (error.message === '' && 'errors' in error && Array.isArray(error.errors)) {
    const messages = error.errors.filter(isError).map((each) => messageOf(each, codeOf(each)));
    return [...new Set(messages)].slice(0, CAUSES_SHOWN).join('; ');
  }
  return error.message.replace(QUOTED_INPUT, '$1 …');
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' && /^\w{1,64}$/.test(error.code) ? error.code : undefined;
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let cause = error.cause; cause !== undefined && causes.length < CAUSES_SHOWN;) {
    causes.push(errorText(cause));
    cause = isError(cause) ? cause.cause : undefined;
  }
  return causes;
}

/** Frames of a stack. Its first lines repeat the message, which may have lines that look like frames. */
function framesOf({ message, stack = '' }: Error): string {
  return stack
    .replace(message, '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => redact(line.trim()))
    .join('\n');
}

/** Whether something thrown is an error, also one of another realm. */
export function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || types.isNativeError(thrown);
}

/** What was thrown that is no error is not repeated: it may be anything. */
function typeOf(thrown: unknown): string {
  return `a thrown ${thrown === null ? 'null' : typeof thrown}`;
}
