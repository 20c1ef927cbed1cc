import type { Statement } from '../database.js';
import { milliseconds } from './fragments.js';

/**
 * Reads what the edits of a message replaced, oldest first, with the chat's version, in one snapshot. One row, with `exists` false where
 * the chat has no such message; no row where there is no chat, or a deleted one.
 *
 * Parameters: `$1 uuid` chat id; `$2 bigint` seq.
 */
export const LOAD_EDITS: Statement = {
  name: 'load-edits',
  text: `
    SELECT h.version,
      EXISTS (SELECT FROM message m WHERE m.chat_id = h.chat_id AND m.seq = $2::bigint) AS exists,
      (SELECT json_agg(json_build_array(e.version, e.text, e.metadata::text, ${milliseconds('e.replaced_at')})
                 ORDER BY e.version)
         FROM message_edit e WHERE e.chat_id = h.chat_id AND e.seq = $2::bigint) AS edits
    FROM chat_head h JOIN chat c ON c.id = h.chat_id AND c.deleted_at IS NULL
    WHERE h.chat_id = $1::uuid`,
};
