/** What an error code means to a caller: its HTTP status and its title, which never varies. */
export interface ErrorCodeEntry {
  readonly status: number;
  readonly title: string;
  /** Seconds after which a retry may succeed; sent as `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

/**
 * Every code an answer can carry. `docs/errors.md` lists the same codes with what to do; a test compares the two.
 */
export const ERROR_CODES = {
  invalid_input: { status: 400, title: 'Invalid input' },
  invalid_json: { status: 400, title: 'Invalid JSON' },
  unauthenticated: { status: 401, title: 'Not authenticated' },
  forbidden: { status: 403, title: 'Not allowed' },
  request_timeout: { status: 408, title: 'Request too slow' },
  headers_too_large: { status: 431, title: 'Headers or address too large' },
  route_not_found: { status: 404, title: 'No such route' },
  chat_not_found: { status: 404, title: 'No such chat' },
  message_not_found: { status: 404, title: 'No such message' },
  participant_not_found: { status: 404, title: 'No such participant' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  chat_id_conflict: { status: 409, title: 'Chat id already used' },
  client_id_conflict: { status: 409, title: 'Client id already used' },
  message_deleted: { status: 409, title: 'Message is deleted' },
  last_owner: { status: 409, title: 'Last owner' },
  changes_gone: { status: 410, title: 'Changes no longer available' },
  precondition_failed: { status: 412, title: 'Precondition failed' },
  body_too_large: { status: 413, title: 'Body too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  range_not_satisfiable: { status: 416, title: 'Range not satisfiable' },
  expectation_failed: { status: 417, title: 'Expectation failed' },
  reply_target_missing: { status: 422, title: 'Reply to a missing message' },
  read_beyond_end: { status: 422, title: 'Read marker beyond the last message' },
  answer_too_large: { status: 422, title: 'Answer too large' },
  too_many_reactions: { status: 422, title: 'Too many reactions' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal_error: { status: 500, title: 'Internal error' },
  starting: { status: 503, title: 'Starting', retryAfterSeconds: 2 },
  overloaded: { status: 503, title: 'Overloaded', retryAfterSeconds: 1 },
  write_queue_full: { status: 503, title: 'Too many writes waiting', retryAfterSeconds: 1 },
  write_outcome_unknown: { status: 503, title: 'Outcome of the write unknown', retryAfterSeconds: 1 },
  version_not_reached: { status: 503, title: 'Version not reached', retryAfterSeconds: 1 },
  token_keys_unavailable: { status: 503, title: 'Keys of tokens unavailable', retryAfterSeconds: 5 },
  freshness_unknown: { status: 503, title: 'Freshness unknown', retryAfterSeconds: 2 },
  database_unavailable: { status: 503, title: 'Database unavailable', retryAfterSeconds: 2 },
} as const satisfies Record<string, ErrorCodeEntry>;

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;
