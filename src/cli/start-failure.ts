import { errorFields, errorText, isError } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { ProcessLogger, type LogStream } from '../common/process-logger.js';
import { redact } from '../common/redact.js';
import { ConfigurationError } from '../config/environment.js';
import { ListenError } from '../http/listen-error.js';

/** Tells why an instance has not started: to people on a terminal, else in one line of the log. */
export function tellFailedStart(error: unknown, err: LogStream): void {
  if (err.isTTY === true) err.write(`${explain(error)}\n`);
  else new ProcessLogger('fatal', err, err).fatal(failedStart(error), 'Scrollback');
}

/** What went wrong, in a sentence that says what to do where that is known. No value of a variable is in it. */
export function explain(error: unknown): string {
  if (!isError(error)) return String(error);
  // Node's errors of several addresses have no message of their own.
  return redact(error.message === '' ? errorText(error) : error.message);
}

function failedStart(error: unknown): LogEvent {
  if (error instanceof ConfigurationError) {
    const wrong = error.variables.map(({ name, message }) => `${name}: ${message}`).join('; ');
    return {
      event: 'start_failed',
      message: `The configuration cannot be used: ${wrong}`,
      variables: [...new Set(error.variables.map(({ name }) => name))],
    };
  }
  const { stack, ...fields } = errorFields(error);
  // Where it was thrown is of use only where nobody has foreseen it.
  const isForeseen = fields.errorCode !== undefined;
  const reason = error instanceof ListenError ? error.message : fields.error;
  const message = `The instance does not start: ${reason}`;
  return { event: 'start_failed', message, ...fields, ...(isForeseen ? {} : { stack }) };
}
