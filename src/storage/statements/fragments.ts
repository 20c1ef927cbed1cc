/** SQL for a time column as whole milliseconds since 1970. */
export function milliseconds(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000)::bigint`;
}

/** SQL for the columns of a chat row, with the names that `readChat` takes. */
export function chatColumns(alias: string): string {
  return `${alias}.kind, ${alias}.title, ${alias}.metadata::text AS metadata, ${alias}.created_by,
      ${milliseconds(`${alias}.created_at`)} AS created_ms, ${milliseconds(`${alias}.updated_at`)} AS updated_ms`;
}

/** SQL for a message row as a JSON array, in the order that `readMessage` takes it apart. */
export function messageArray(alias: string): string {
  return `json_build_array(${alias}.seq, ${alias}.version, ${alias}.sender_id, ${alias}.client_id, ${alias}.kind,
    ${alias}.text, ${alias}.metadata::text, ${alias}.reply_to, ${milliseconds(`${alias}.created_at`)},
    ${milliseconds(`${alias}.edited_at`)}, ${milliseconds(`${alias}.deleted_at`)})`;
}

/**
 * SQL for the active participants of the chat in a column, as a JSON array of what `readParticipant` takes apart.
 *
 * @remarks Who has left is taken out by FILTER and not by WHERE, here and where participants are counted: otherwise the planner may
 * take the index of the chats of users, which names only who is in a chat, and skip through all users for every chat. It does so from
 * PostgreSQL 18 on while it has no statistics, as after an import: 8 ms a chat instead of 0.03.
 */
export function activeParticipants(chatIdColumn: string): string {
  return `(SELECT json_agg(json_build_array(p.user_id, p.role, ${milliseconds('p.joined_at')}, p.last_read_seq, p.version))
           FILTER (WHERE p.left_at IS NULL)
         FROM participant p WHERE p.chat_id = ${chatIdColumn})`;
}

/**
 * SQL for the lowest seq of a chat that has a message, one more than the last seq where there is none.
 *
 * @remarks Looked up and not kept in the head: it cannot drift from the rows, whoever deletes them. One step down an index.
 */
export function firstSeq(head: string): string {
  return `coalesce((SELECT f.seq FROM message f WHERE f.chat_id = ${head}.chat_id ORDER BY f.seq LIMIT 1), ${head}.last_seq + 1)`;
}

/**
 * SQL for a chat without its messages, as `readChatRow` takes it apart, from `chat_head` as h and `chat` as c, which may have no row:
 * a chat that was deleted is not `present`.
 */
export function wholeChatColumns(): string {
  return `h.chat_id AS id, h.version, h.last_seq, h.reset_version, ${firstSeq('h')} AS first_seq,
      (c.id IS NOT NULL AND c.deleted_at IS NULL) AS present,
      ${chatColumns('c')},
      ${activeParticipants('h.chat_id')} AS participants`;
}

/** SQL for a reaction row as a JSON array, in the order that `summarizeReactions` takes it apart. */
export function reactionArray(alias: string): string {
  return `json_build_array(${alias}.seq, ${alias}.user_id, ${alias}.emoji)`;
}
