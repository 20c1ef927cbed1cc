import { errorFields, errorText, isError } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { ProcessLogger, type LogStream } from '../common/process-logger.js';
import { redact } from '../common/redact.js';
import { ConfigurationError, type Environment } from '../config/environment.js';

const PORT_IN_USE = 'EADDRINUSE';

/** The variables that say where an instance listens, as far as they are known. */
type Ports = Pick<Environment, 'PORT' | 'METRICS_PORT'>;

/** Tells why an instance has not started: to people on a terminal, else in one line of the log. */
export function tellFailedStart(error: unknown, ports: Ports | undefined, err: LogStream): void {
  if (err.isTTY === true) err.write(`${explain(error, ports)}\n`);
  else new ProcessLogger('fatal', err, err).fatal(failedStart(error, ports), 'Scrollback');
}

/** What went wrong, in a sentence that says what to do where that is known. No value of a variable is in it. */
export function explain(error: unknown, ports?: Ports): string {
  if (!isError(error)) return String(error);
  const { code, port } = error as NodeJS.ErrnoException & { readonly port?: unknown };
  if (code === PORT_IN_USE) {
    // Two free ones are never in use.
    const variable = port !== undefined && port === ports?.METRICS_PORT ? 'METRICS_PORT' : 'PORT';
    return `${error.message}: somebody else listens there. Set ${variable} to another one; 0 picks a free one.`;
  }
  // Node's errors of several addresses have no message of their own.
  return redact(error.message === '' ? errorText(error) : error.message);
}

function failedStart(error: unknown, ports: Ports | undefined): LogEvent {
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
  const reason = fields.errorCode === PORT_IN_USE ? explain(error, ports) : fields.error;
  const message = `The instance does not start: ${reason}`;
  return { event: 'start_failed', message, ...fields, ...(isForeseen ? {} : { stack }) };
}
