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

/** SQL for a reaction row as a JSON array, in the order that `summarizeReactions` takes it apart. */
export function reactionArray(alias: string): string {
  return `json_build_array(${alias}.seq, ${alias}.user_id, ${alias}.emoji)`;
}
