import { redact } from './redact.js';

/** Levels from the quietest on: naming one shows it and all before it. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** How much somebody should care about an event. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A value of a field: what can be told without telling more than was meant. */
export type LogValue = string | number | boolean | readonly string[] | undefined;

/** Fields of an event; those that are `undefined` are left out. */
export type LogFields = Readonly<Record<string, LogValue>>;

/** Something that happens and has a name: what is handed to a logger in place of a sentence. `docs/logging.md` lists them. */
export interface LogEvent extends LogFields {
  readonly event: string;
  /** The event as a sentence. */
  readonly message: string;
}

/** One line of the log. */
export interface LogLine {
  readonly timeMs: number;
  readonly level: LogLevel;
  /** Part of the process that speaks. */
  readonly context: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Longest value. Too short and stacks are cut; too long and one error fills the log. */
const MAX_VALUE_LENGTH = 8192;

/**
 * Characters that a terminal or a viewer of logs may obey: control characters (escapes begin with them, lines end with them), the ends of lines
 * and paragraphs of Unicode, and marks that turn the direction of what follows.
 */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const COLORS: Readonly<Record<LogLevel, number>> = { fatal: 35, error: 31, warn: 33, info: 32, debug: 36, trace: 90 };

/**
 * Writes a line as JSON: `time`, `level`, `context`, `message` and the fields beside them, whose names cannot be those. Whatever comes from
 * outside stays inside its value: nothing in it ends the line or speaks to a terminal.
 */
export function jsonLine({ timeMs, level, context, message, fields }: LogLine): string {
  const { event } = fields;
  const line: Record<string, LogValue> = { time: new Date(timeMs).toISOString(), level, context };
  if (event !== undefined) line['event'] = plainValue(event);
  line['message'] = plain(message);
  for (const [name, value] of Object.entries(fields)) if (!(name in line)) line[name] = plainValue(value);
  return escapeAll(JSON.stringify(line));
}

/** Writes a line for people: time, level, who speaks, the sentence, the fields; the frames of a stack on lines of their own, indented. */
export function terminalLine({ timeMs, level, context, message, fields }: LogLine): string {
  const { stack, event: _event, ...others } = fields;
  const shown = Object.entries(others)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${escapeAll(name)}=${terminalValue(plainValue(value))}`);
  const time = new Date(timeMs).toISOString().replace('T', ' ').slice(0, -1);
  const frames = typeof stack === 'string' ? plain(stack).split('\n') : [];
  return [
    `\u001b[90m${time}\u001b[0m \u001b[${COLORS[level]}m${level.toUpperCase().padEnd(5)}\u001b[0m ` +
      `\u001b[90m[${escapeAll(context)}]\u001b[0m ${escapeAll(plain(message))}\u001b[90m${shown.join('')}\u001b[0m`,
    ...frames.map((frame) => `    ${escapeAll(frame)}`),
  ].join('\n');
}

function terminalValue(value: LogValue): string {
  if (typeof value === 'string' && /^[\w./:@+-]+$/.test(value)) return value;
  return escapeAll(JSON.stringify(value) ?? '');
}

function plainValue(value: LogValue): LogValue {
  if (typeof value === 'string') return plain(value);
  return Array.isArray(value) ? value.map((each) => plain(String(each))) : value;
}

function plain(text: string): string {
  // Cut after redacting, so that nothing loses the end by which it is known for a secret; and before, as redacting takes its time.
  const redacted = redact(text.slice(0, 4 * MAX_VALUE_LENGTH));
  return (redacted.length <= MAX_VALUE_LENGTH ? redacted : `${redacted.slice(0, MAX_VALUE_LENGTH)}…`).toWellFormed();
}

function escapeAll(text: string): string {
  return text.replace(UNSAFE, escape);
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
