import type { Statement } from '../database.js';
import { messageArray, reactionArray, wholeChatColumns } from './fragments.js';

/**
 * Reads whole chats, each with its version, in one snapshot: head, chat row, active participants and the newest
 * messages.
 *
 * Parameters: `$1 uuid[]` chat ids; `$2 int` how many of the newest messages are wanted at least (0: the last one
 * only); `$3 int` messages per block: what is read starts at a block's first message.
 *
 * @remarks One statement on purpose. Two statements at READ COMMITTED would read two snapshots and label old rows with
 * a new version. A chat that never existed has no row; one that was deleted has a row with `present` false.
 */
export const LOAD_CHATS: Statement = {
  name: 'load-chats',
  text: `
    SELECT ${wholeChatColumns()},
      (SELECT json_agg(${messageArray('m')} ORDER BY m.seq)
         FROM message m WHERE m.chat_id = h.chat_id AND m.seq > w.after_seq) AS messages,
      (SELECT json_agg(${reactionArray('r')})
         FROM (SELECT * FROM reaction x WHERE x.chat_id = h.chat_id AND x.seq > w.after_seq
               ORDER BY x.seq, x.created_at, x.user_id, x.emoji) r) AS reactions
    FROM chat_head h
      LEFT JOIN chat c ON c.id = h.chat_id
      CROSS JOIN LATERAL (SELECT CASE WHEN $2::int = 0 THEN greatest(h.last_seq - 1, 0)
        ELSE greatest(h.last_seq - $2::int, 0) / $3::int * $3::int END AS after_seq) w
    WHERE h.chat_id = ANY ($1::uuid[])`,
};
