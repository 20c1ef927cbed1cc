import type { Statement } from '../database.js';
import { chatColumns, messageArray, milliseconds } from './fragments.js';

/** Reads users in the order of their ids. Parameters: `$1 text` the last id read, `$2 int` how many at most. */
export const EXPORT_USERS: Statement = {
  name: 'export-users',
  text: `
    SELECT u.user_id, p.name, p.metadata::text AS metadata
    FROM (SELECT user_id FROM user_profile UNION SELECT user_id FROM participant UNION SELECT user_id FROM reaction
          UNION SELECT DISTINCT sender_id FROM message) u
      LEFT JOIN user_profile p ON p.user_id = u.user_id
    WHERE u.user_id > $1::text
    ORDER BY u.user_id
    LIMIT $2::int`,
};

/**
 * Reads chats in the order of their ids, with the last seq of those in whose line messages are missing.
 *
 * Parameters: `$1 uuid` the last id read, `$2 int` how many at most.
 */
export const EXPORT_CHATS: Statement = {
  name: 'export-chats',
  text: `
    SELECT c.id, ${chatColumns('c')},
      (SELECT h.last_seq FROM chat_head h
       WHERE h.chat_id = c.id AND h.last_seq <> (SELECT count(*) FROM message m WHERE m.chat_id = c.id)) AS last_seq,
      (SELECT json_agg(json_build_array(p.user_id, p.role, ${milliseconds('p.joined_at')}, p.last_read_seq, p.version,
          ${milliseconds('p.left_at')}) ORDER BY p.user_id)
         FROM participant p WHERE p.chat_id = c.id) AS participants
    FROM chat c
    WHERE c.deleted_at IS NULL AND c.id > $1::uuid
    ORDER BY c.id
    LIMIT $2::int`,
};

/**
 * Reads messages in the order of their chats' ids and their seqs.
 *
 * Parameters: `$1 uuid`, `$2 bigint` chat and seq of the last one read; `$3 int` how many at most.
 */
export const EXPORT_MESSAGES: Statement = {
  name: 'export-messages',
  text: `
    SELECT m.chat_id, ${messageArray('m')} AS message,
      (SELECT json_agg(json_build_array(r.user_id, r.emoji, ${milliseconds('r.created_at')})
                 ORDER BY r.created_at, r.user_id, r.emoji)
         FROM reaction r WHERE r.chat_id = m.chat_id AND r.seq = m.seq) AS reactions
    FROM message m
    WHERE (m.chat_id, m.seq) > ($1::uuid, $2::bigint)
      AND EXISTS (SELECT FROM chat c WHERE c.id = m.chat_id AND c.deleted_at IS NULL)
    ORDER BY m.chat_id, m.seq
    LIMIT $3::int`,
};
