import type { Statement } from '../database.js';
import { unreadCount } from './count-unread.js';
import { LOAD_CHATS } from './load-chats.js';

/**
 * Reads whole chats as {@link LOAD_CHATS} does, and how much of each a user has not read, in one snapshot. Chats that the user is not in
 * are left out.
 *
 * Parameters: `$1 uuid[]`, `$2 int`, `$3 int` as there; `$4 text` user id.
 *
 * @remarks One statement on purpose: a count by another would be of another version than the chat beside it.
 */
export const LOAD_INBOX: Statement = {
  name: 'load-inbox',
  text: `
    SELECT l.*, ${unreadCount('k')} AS unread
    FROM (${LOAD_CHATS.text}) l
      JOIN participant k ON k.chat_id = l.id AND k.user_id = $4::text AND k.left_at IS NULL`,
};
