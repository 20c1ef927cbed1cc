import type { Socket } from 'node:net';
import { makeRequestId } from '../common/request-id.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { problemOf, type Problem } from './problem.js';
import { securityHeaderList } from './security-headers.js';

/** Node's code for headers, address included, that are larger than its parser takes. */
const HEADER_OVERFLOW = 'HPE_HEADER_OVERFLOW';

/** Node's code for a request that does not come to its end in time. */
export const REQUEST_TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT';

/** What Node says of bytes that it cannot read. */
interface BrokenRequestError extends Error {
  readonly code?: string;
  /** The bytes, where it has them. */
  readonly rawPacket?: unknown;
}

const SECURITY_LINES = securityHeaderList()
  .map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`))
  .join('');

/** Answers bytes that are not an HTTP request with a problem too, and closes the connection. */
export function answerBrokenRequest(error: BrokenRequestError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = brokenRequestProblem(error.code);
  const body = JSON.stringify(problem);
  const { rawPacket } = error;
  const isHead = Buffer.isBuffer(rawPacket) && rawPacket.toString('latin1', 0, 5) === 'HEAD ';
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      SECURITY_LINES +
      `X-Request-Id: ${makeRequestId()}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${isHead ? '' : body}`,
  );
}

function brokenRequestProblem(code: string | undefined): Problem {
  if (code === HEADER_OVERFLOW) {
    return problemOf(new ScrollbackError('headers_too_large', 'The address and headers are larger than 16 KiB.'));
  }
  if (code === REQUEST_TIMEOUT) {
    return problemOf(new ScrollbackError('request_timeout', 'The request did not come to its end in time.'));
  }
  return problemOf(new ScrollbackError('invalid_input', 'This is not an HTTP request.'));
}
