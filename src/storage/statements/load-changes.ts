import type { Statement } from '../database.js';
import { chatColumns, messageArray, milliseconds, reactionArray } from './fragments.js';

/**
 * Reads what changed in a chat after a version, oldest change first, as it is now: the since-query. It serves `/changes`.
 *
 * Parameters: `$1 uuid` chat id; `$2 bigint` version; `$3 int` how many changed rows at most; `$4 int` how many participants the
 * chat had at version `$5 bigint`: they are counted anew only if one has changed since, or rows have vanished; `$6 text` a user who asks, and
 * may be told only while they are in the chat, `NULL` for who sees all.
 *
 * @remarks New messages are found by seq: each took a version step, so none after version V has a seq at or below
 * `last_seq - (version - V)`. Messages that changed later are found by the partial index on version, participants by
 * theirs. Each branch is limited before they are merged, so the cost is bounded by the limit.
 * Rows of one version (the participants that a chat was created with) are never parted: a page may exceed the limit.
 */
export const LOAD_CHANGES: Statement = {
  name: 'load-changes',
  text: `
    WITH head AS (
      SELECT h.chat_id, h.version, h.last_seq, h.reset_version, ${chatColumns('c')}
      FROM chat_head h JOIN chat c ON c.id = h.chat_id AND c.deleted_at IS NULL
      WHERE h.chat_id = $1::uuid
    ), changed AS (
      (SELECT m.version, m.seq, NULL::text AS user_id FROM head h JOIN message m ON m.chat_id = h.chat_id
        WHERE m.seq > h.last_seq - (h.version - $2::bigint) AND m.version > $2::bigint AND NOT m.changed
        ORDER BY m.seq LIMIT $3::int)
      UNION ALL
      (SELECT m.version, m.seq, NULL FROM head h JOIN message m ON m.chat_id = h.chat_id
        WHERE m.changed AND m.version > $2::bigint ORDER BY m.version FETCH FIRST ($3::int) ROWS WITH TIES)
      UNION ALL
      (SELECT p.version, NULL, p.user_id FROM head h JOIN participant p ON p.chat_id = h.chat_id
        WHERE p.version > $2::bigint ORDER BY p.version FETCH FIRST ($3::int) ROWS WITH TIES)
      ORDER BY version FETCH FIRST ($3::int) ROWS WITH TIES
    )
    SELECT h.*,
      ($6::text IS NULL OR EXISTS (SELECT FROM participant p
         WHERE p.chat_id = h.chat_id AND p.user_id = $6::text AND p.left_at IS NULL)) AS may_see,
      CASE WHEN h.reset_version > $5::bigint
          OR EXISTS (SELECT FROM participant p WHERE p.chat_id = h.chat_id AND p.version > $5::bigint)
        THEN (SELECT count(*) FILTER (WHERE p.left_at IS NULL) FROM participant p WHERE p.chat_id = h.chat_id)::int
        ELSE $4::int END AS participant_count,
      (SELECT count(*) FROM changed)::int AS rows, (SELECT max(version) FROM changed) AS last_version,
      (SELECT json_agg(${messageArray('m')} ORDER BY m.seq)
         FROM changed x JOIN message m ON m.chat_id = h.chat_id AND m.seq = x.seq) AS messages,
      (SELECT json_agg(${reactionArray('r')})
         FROM (SELECT z.* FROM changed x JOIN reaction z ON z.chat_id = h.chat_id AND z.seq = x.seq
               ORDER BY z.seq, z.created_at, z.user_id, z.emoji) r) AS reactions,
      (SELECT json_agg(json_build_array(p.user_id, p.role, ${milliseconds('p.joined_at')}, p.last_read_seq, p.version,
           ${milliseconds('p.left_at')}) ORDER BY p.user_id)
         FROM changed x JOIN participant p ON p.chat_id = h.chat_id AND p.user_id = x.user_id) AS participants
    FROM head h`,
};
