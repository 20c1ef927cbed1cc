import type { Statement } from '../database.js';
import { messageArray, reactionArray } from './fragments.js';

/**
 * Reads the messages of a chat from one seq to another, with the chat's version, in one snapshot.
 *
 * Parameters: `$1 uuid` chat id; `$2 bigint`, `$3 bigint` first and last seq, both included.
 */
export const LOAD_MESSAGES: Statement = {
  name: 'load-messages',
  text: `
    SELECT h.version, h.last_seq,
      (SELECT json_agg(${messageArray('m')} ORDER BY m.seq)
         FROM message m WHERE m.chat_id = h.chat_id AND m.seq BETWEEN $2::bigint AND $3::bigint) AS messages,
      (SELECT json_agg(${reactionArray('r')})
         FROM (SELECT * FROM reaction x WHERE x.chat_id = h.chat_id AND x.seq BETWEEN $2::bigint AND $3::bigint
               ORDER BY x.seq, x.created_at, x.user_id, x.emoji) r) AS reactions
    FROM chat_head h
    WHERE h.chat_id = $1::uuid`,
};
