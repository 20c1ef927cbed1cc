import { HttpException } from '@nestjs/common';
import { ScrollbackError } from '../common/scrollback-error.js';

/** What is wrong with a path that the framework refuses, by its codes. */
const PATH_FAULTS: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'is not percent-encoded UTF-8',
  FST_ERR_MAX_PARAM_LENGTH: 'has a part that is too long',
};

/**
 * Makes the error that names the part of a request which the framework has refused, before anything of ours has seen it; `undefined` for
 * other errors.
 *
 * @param bodyLimit - largest body that the route takes, in bytes.
 */
export function badPartOf(error: unknown, bodyLimit: number): ScrollbackError | undefined {
  const { code, statusCode } = Object(error) as { readonly code?: unknown; readonly statusCode?: unknown };
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  if (status === 413) {
    const message = `is larger than ${bodyLimit} bytes (MAX_BODY_BYTES)`;
    return new ScrollbackError('body_too_large', `body: ${message}`, [{ field: 'body', message }]);
  }
  const message = typeof code === 'string' ? PATH_FAULTS[code] : undefined;
  if (message === undefined) return undefined;
  return new ScrollbackError('invalid_input', `path: ${message}`, [{ field: 'path', message }]);
}
