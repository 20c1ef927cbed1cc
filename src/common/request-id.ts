import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Header that carries the id of a request, in and out. */
export const REQUEST_ID_HEADER = 'x-request-id';

const VALID_ID = /^[\x21-\x7e]{1,128}$/;
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)/;

/** Of this process alone. The count after it makes an id: random bytes for each request would cost more than a hit does. */
const PREFIX = randomBytes(8).toString('hex');
let made = 0;

/** The id of a request: the one it brings when that is 1 to 128 visible ASCII characters, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const brought = headers[REQUEST_ID_HEADER];
  return typeof brought === 'string' && VALID_ID.test(brought) ? brought : makeRequestId();
}

/** An id that no other request has, for one whose headers cannot be read. */
export function makeRequestId(): string {
  return `${PREFIX}-${++made}`;
}

/** The trace id of a W3C `traceparent`; `undefined` when there is none or it is not valid. */
export function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const parent = headers['traceparent'];
  return typeof parent === 'string' ? TRACEPARENT.exec(parent)?.[1] : undefined;
}
