import type { Statement } from '../database.js';

/**
 * Counts a user's unread messages in some chats: messages of others after the read marker that are neither deleted nor
 * system messages. This is the definition that every other count must equal.
 *
 * Parameters: `$1 text` user id; `$2 uuid[]` chat ids.
 *
 * @remarks Version, marker and count come from one snapshot. Cost grows with the messages after the marker.
 */
export const COUNT_UNREAD: Statement = {
  name: 'count-unread',
  text: `
    SELECT p.chat_id, h.version, p.last_read_seq,
      (SELECT count(*) FROM message m
       WHERE m.chat_id = p.chat_id AND m.seq > p.last_read_seq AND m.sender_id <> p.user_id
         AND m.kind = 'user' AND m.deleted_at IS NULL) AS unread
    FROM participant p JOIN chat_head h ON h.chat_id = p.chat_id
    WHERE p.user_id = $1::text AND p.chat_id = ANY ($2::uuid[]) AND p.left_at IS NULL`,
};
