import type { Statement } from '../database.js';

/** The chat with the most messages, and the member of it who has read furthest: whom the demo's tour shows. One row, or none without chats. */
export const FIND_LARGEST_CHAT: Statement = {
  name: 'find-largest-chat',
  text: `
    SELECT h.chat_id, p.user_id FROM chat_head h JOIN chat c ON c.id = h.chat_id AND c.deleted_at IS NULL
      JOIN participant p ON p.chat_id = h.chat_id
    ORDER BY h.last_seq DESC, p.last_read_seq DESC LIMIT 1`,
};
