/** SQL for a time column as whole milliseconds since 1970. */
export function milliseconds(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000)::bigint`;
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
