import type { Statement } from '../database.js';

/**
 * SQL that counts a user's unread messages: messages of others after the read marker that are neither deleted nor system
 * messages. This is the definition that every other count must equal.
 *
 * @param row - what has the columns `chat_id`, `user_id` and `last_read_seq`.
 */
export function unreadCount(row: string): string {
  return `(SELECT count(*) FROM message m
       WHERE m.chat_id = ${row}.chat_id AND m.seq > ${row}.last_read_seq AND m.sender_id <> ${row}.user_id
         AND m.kind = 'user' AND m.deleted_at IS NULL)`;
}

/**
 * Counts a user's unread messages in some chats.
 *
 * Parameters: `$1 text` user id; `$2 uuid[]` chat ids.
 *
 * @remarks Version, marker and count come from one snapshot. Cost grows with the messages after the marker.
 */
export const COUNT_UNREAD: Statement = {
  name: 'count-unread',
  text: `
    SELECT p.chat_id, h.version, p.last_read_seq, ${unreadCount('p')} AS unread
    FROM participant p JOIN chat_head h ON h.chat_id = p.chat_id
    WHERE p.user_id = $1::text AND p.chat_id = ANY ($2::uuid[]) AND p.left_at IS NULL`,
};

/**
 * Counts what users would not have read with their read markers at some seqs.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users, `$3 bigint[]` read markers.
 *
 * @remarks Reads messages alone, a range of the primary key for each row. Cost grows with the messages after the markers.
 */
export const COUNT_UNREAD_AFTER: Statement = {
  name: 'count-unread-after',
  text: `
    SELECT k.chat_id, k.user_id, k.last_read_seq, ${unreadCount('k')} AS unread
    FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS k (chat_id, user_id, last_read_seq)`,
};

/**
 * Counts what members of chats have not read. Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users.
 *
 * @remarks As {@link COUNT_UNREAD}, for users of many chats each.
 */
export const COUNT_UNREAD_OF: Statement = {
  name: 'count-unread-of',
  text: `
    SELECT p.chat_id, p.user_id, h.version, ${unreadCount('p')} AS unread
    FROM unnest($1::uuid[], $2::text[]) AS k (chat_id, user_id)
      JOIN participant p USING (chat_id, user_id) JOIN chat_head h USING (chat_id)
    WHERE p.left_at IS NULL`,
};
