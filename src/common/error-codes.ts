/** What an error code means to a caller: its HTTP status, its title, which never varies, and what to do. */
export interface ErrorCodeEntry {
  readonly status: number;
  readonly title: string;
  /** Markdown: names of fields and variables are code. */
  readonly advice: string;
  /** Seconds after which a retry may succeed; sent as `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

/**
 * Every code an answer can carry. `docs/errors.md` lists the same; a test compares the two.
 */
export const ERROR_CODES = {
  invalid_input: {
    status: 400,
    title: 'Invalid input',
    advice: 'Mend the fields that `errors` names. Nothing was stored.',
  },
  invalid_json: { status: 400, title: 'Invalid JSON', advice: 'Send JSON in UTF-8.' },
  unauthenticated: {
    status: 401,
    title: 'Not authenticated',
    advice: 'Send a service key: `Authorization: Bearer <key>`.',
  },
  forbidden: {
    status: 403,
    title: 'Not allowed',
    advice: "The caller's role does not allow it; ask an admin or owner of the chat.",
  },
  request_timeout: { status: 408, title: 'Request too slow', advice: 'Send the whole request at once.' },
  headers_too_large: {
    status: 431,
    title: 'Headers or address too large',
    advice: 'Keep the address and headers below 16 KiB together.',
  },
  route_not_found: { status: 404, title: 'No such route', advice: 'See `/docs` for the routes.' },
  chat_not_found: {
    status: 404,
    title: 'No such chat',
    advice: "The chat does not exist, is deleted, or is not the caller's to see.",
  },
  message_not_found: { status: 404, title: 'No such message', advice: 'The chat has no message with this seq.' },
  participant_not_found: { status: 404, title: 'No such participant', advice: 'Add the user to the chat first.' },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    advice: 'The port of operators (`METRICS_PORT`) is only to be read: `GET` or `HEAD`.',
  },
  chat_id_conflict: {
    status: 409,
    title: 'Chat id already used',
    advice: 'Use a new id; this one belongs to a chat with other content, or to a deleted one.',
  },
  client_id_conflict: {
    status: 409,
    title: 'Client id already used',
    advice: 'Use a new `clientId` for a new message; repeat a send with the content it had.',
  },
  message_deleted: {
    status: 409,
    title: 'Message is deleted',
    advice: 'Deleted messages cannot be edited or reacted to.',
  },
  last_owner: { status: 409, title: 'Last owner', advice: 'Make somebody else an owner first.' },
  changes_gone: {
    status: 410,
    title: 'Changes no longer available',
    advice: 'Load the chat anew and go on from its `version`.',
  },
  precondition_failed: {
    status: 412,
    title: 'Precondition failed',
    advice:
      'Files of `/docs` alone: the one that `If-Match` or `If-Unmodified-Since` names is no more. Ask without it.',
  },
  body_too_large: { status: 413, title: 'Body too large', advice: 'Send less, or raise `MAX_BODY_BYTES`.' },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    advice: 'Send `Content-Type: application/json`, in UTF-8 and without a `Content-Encoding`.',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'Range not satisfiable',
    advice: 'Files of `/docs` alone: the `Range` lies beyond the end. Ask without it.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    advice: 'Leave `Expect` away, or send `Expect: 100-continue`.',
  },
  reply_target_missing: {
    status: 422,
    title: 'Reply to a missing message',
    advice: '`replyTo` must be the seq of a message of the same chat.',
  },
  read_beyond_end: {
    status: 422,
    title: 'Read marker beyond the last message',
    advice: "Mark at most the chat's `lastSeq` as read.",
  },
  answer_too_large: {
    status: 422,
    title: 'Answer too large',
    advice: '`/v1/messages/latest` answers with at most 16 MiB. Ask for fewer chats, or with a smaller `limit`.',
  },
  too_many_reactions: {
    status: 422,
    title: 'Too many reactions',
    advice: 'The message has 100 different emoji: use one of those.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    advice:
      'The caller has made more than `RATE_LIMIT_MAX` requests in a window. Nothing was done. Wait for `Retry-After` seconds.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    advice: 'A fault of ours: the log of the instance has the details.',
  },
  starting: {
    status: 503,
    title: 'Starting',
    retryAfterSeconds: 2,
    advice:
      'The instance waits for its database or for a migration. Nothing was done. Try again after `Retry-After` seconds, at another instance if there is one.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    retryAfterSeconds: 1,
    advice:
      'The instance has more to do than it can. Nothing was done. Try again after `Retry-After` seconds, at another instance if there is one.',
  },
  write_queue_full: {
    status: 503,
    title: 'Too many writes waiting',
    retryAfterSeconds: 1,
    advice: 'Nothing was written. Wait for `Retry-After` seconds and send it again.',
  },
  write_outcome_unknown: {
    status: 503,
    title: 'Outcome of the write unknown',
    retryAfterSeconds: 1,
    advice:
      'The answer to a commit was lost, or did not come for 15 s: it may have been written. Send it again with the same `clientId`: it cannot double.',
  },
  version_not_reached: {
    status: 503,
    title: 'Version not reached',
    retryAfterSeconds: 1,
    advice: 'The version of `Min-Chat-Version` is not committed. Try again after `Retry-After` seconds.',
  },
  token_keys_unavailable: {
    status: 503,
    title: 'Keys of tokens unavailable',
    retryAfterSeconds: 5,
    advice:
      'The public keys at `AUTH_JWKS_URL` cannot be fetched, so that the token cannot be judged. Try again after `Retry-After` seconds.',
  },
  freshness_unknown: {
    status: 503,
    title: 'Freshness unknown',
    retryAfterSeconds: 2,
    advice:
      'The database cannot be asked whether what is held is current. Services may have it marked as stale (`STALE_READS=serve`). Try again after `Retry-After` seconds.',
  },
  database_unavailable: {
    status: 503,
    title: 'Database unavailable',
    retryAfterSeconds: 2,
    advice:
      'Nothing was written. Reads of what is cached go on. Try again after `Retry-After` seconds. `detail` tells what is known: the database cannot be reached or has answered nothing for 15 s, takes no writes (after a failover), is short of resources, lacks tables (while a dump is restored), has ended the statement (its time limit, or somebody has cancelled it), or somebody else keeps rows locked.',
  },
} as const satisfies Record<string, ErrorCodeEntry>;

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;
