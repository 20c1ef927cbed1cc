import type { Statement } from '../database.js';

/**
 * Tells which of some users are in which chats, each asked about one chat: by a look into an index for each.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users.
 */
export const FIND_MEMBERS: Statement = {
  name: 'find-members',
  text: `
    SELECT p.chat_id, p.user_id
    FROM unnest($1::uuid[], $2::text[]) AS k (chat_id, user_id)
      JOIN participant p USING (chat_id, user_id)
    WHERE p.left_at IS NULL`,
};
