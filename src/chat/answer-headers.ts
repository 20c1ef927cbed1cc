/** Headers of answers, as the OpenAPI document describes them. `isConstant`: every answer that names one has it. */
const TEXTS = {
  'Chat-Version': {
    text: 'The version of the chat that the answer was read at, or that the write has made.',
    isConstant: true,
  },
  ETag: { text: 'Of what is told of the chat at this version, for `If-None-Match`.', isConstant: true },
  'Cache-Status': {
    text: 'Whether memory had the answer (RFC 9211): `hit`, `fwd=miss`, `fwd=bypass`, `hit; detail=stale`.',
    isConstant: true,
  },
  Location: { text: 'The path of what was created, now or by the first of equal requests.', isConstant: true },
  'Idempotency-Replayed': { text: '`true`: the message was sent before, by the same clientId.', isConstant: true },
  'Retry-After': { text: 'Seconds after which trying again may be of use.', isConstant: true },
  'WWW-Authenticate': { text: 'How to say who calls.', isConstant: true },
  'X-Request-Id': {
    text: 'Names the request in the log: the `X-Request-Id` or trace of the request, else a new one.',
    isConstant: true,
  },
  'X-RateLimit-Limit': {
    text: 'Requests of one caller in a window, where `RATE_LIMIT_MAX` is set.',
    isConstant: false,
  },
  'X-RateLimit-Remaining': { text: 'How many of them are left.', isConstant: false },
  'X-RateLimit-Reset': { text: 'Seconds until there are more.', isConstant: false },
} as const;

/** A header that answers may have. */
export type AnswerHeader = keyof typeof TEXTS;

/** Headers of what is read of one chat. */
export const READ_HEADERS: readonly AnswerHeader[] = ['Chat-Version', 'ETag', 'Cache-Status'];

/** Headers of answers to writes in a chat. */
export const WRITE_HEADERS: readonly AnswerHeader[] = ['Chat-Version', 'ETag'];

/** Headers of every answer to a request that counts against its caller's limit. */
export const RATE_HEADERS: readonly AnswerHeader[] = [
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
];

/** Headers of problems alone, by their status. */
export const PROBLEM_HEADERS: Readonly<Record<number, readonly AnswerHeader[]>> = {
  401: ['WWW-Authenticate'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

/** A header as an OpenAPI document has it. */
interface HeaderDescription {
  readonly description: string;
  readonly required: boolean;
  readonly schema: { readonly type: 'string' };
}

/** Describes headers for the OpenAPI document. */
export function describeHeaders(names: readonly AnswerHeader[]): Record<string, HeaderDescription> {
  return Object.fromEntries(
    names.map((name) => {
      const { text, isConstant } = TEXTS[name];
      return [name, { description: text, required: isConstant, schema: { type: 'string' } }];
    }),
  );
}
