import type { ErrorCode } from './error-codes.js';

/** One field of the input that is wrong, and why. `field` is a path such as `participants[2].userId`. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/**
 * An error that a caller can act on. Its code decides the HTTP status; its message becomes the problem's `detail`, so
 * it never holds message text, tokens or SQL.
 */
export class ScrollbackError extends Error {
  override readonly name = 'ScrollbackError';

  constructor(
    readonly code: ErrorCode,
    detail: string,
    readonly errors?: readonly FieldError[],
    options?: ErrorOptions,
  ) {
    super(detail, options);
  }
}

/** Makes the error for one wrong field. */
export function invalidField(field: string, message: string): ScrollbackError {
  return new ScrollbackError('invalid_input', `${field}: ${message}`, [{ field, message }]);
}
