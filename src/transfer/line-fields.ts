/** Fields of a line of `users.jsonl`; all others are metadata. */
export const USER_FIELDS: ReadonlySet<string> = new Set(['id', 'name', 'metadata']);

/** Fields of a line of `chats.jsonl`; all others are metadata. */
export const CHAT_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'title',
  'kind',
  'created_at',
  'updated_at',
  'created_by',
  'last_seq',
  'participants',
  'metadata',
]);

/** Fields of a line of `messages.jsonl`; all others are metadata. */
export const MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  'chat',
  'user',
  'ts',
  'text',
  'seq',
  'reply_to',
  'client_id',
  'kind',
  'edited_at',
  'deleted_at',
  'reactions',
  'metadata',
]);
