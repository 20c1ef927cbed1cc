import type { Statement } from '../database.js';

/**
 * Reads which chats a user is in.
 *
 * Parameter: `$1 text` user id.
 */
export const LOAD_USER_CHATS: Statement = {
  name: 'load-user-chats',
  text: `
    SELECT p.chat_id
    FROM participant p JOIN chat c ON c.id = p.chat_id
    WHERE p.user_id = $1::text AND p.left_at IS NULL AND c.deleted_at IS NULL`,
};
