import type { Statement } from '../database.js';

/** Tells the database's time, and how many chats have ever existed. */
export const BEGIN_PURGE: Statement = {
  name: 'begin-purge',
  text: `
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms, (SELECT count(*) FROM chat_head) AS chats`,
};

/** Lists chats, deleted ones too, in the order of their ids. Parameters: `$1 uuid` the last id listed, `$2 int` how many at most. */
export const LIST_HEADS: Statement = {
  name: 'list-heads',
  text: `SELECT h.chat_id FROM chat_head h WHERE h.chat_id > $1::uuid ORDER BY h.chat_id LIMIT $2::int`,
};

/**
 * Counts the messages of chats that were created before a time, and tells the last one's seq; chats without any are missing.
 *
 * Parameters: `$1 uuid[]` chat ids, `$2 bigint` time in milliseconds.
 */
export const COUNT_OLDER: Statement = {
  name: 'count-older',
  text: `
    SELECT m.chat_id, count(*) AS messages, max(m.seq) AS through_seq
    FROM message m
    WHERE m.chat_id = ANY ($1::uuid[]) AND m.created_at < to_timestamp($2::bigint / 1000.0)
    GROUP BY m.chat_id
    ORDER BY m.chat_id`,
};

/**
 * Deletes messages that were created before a time, with their reactions and what their edits replaced, and takes their
 * chats one version further, behind which changes cannot be told: rows have vanished.
 *
 * Parameters: `$1 uuid[]` chats whose heads the transaction has locked, `$2 bigint[]` the seqs up to which they have such
 * messages, row by row; `$3 bigint` time in milliseconds, `$4 int` how many messages at most.
 *
 * @remarks A statement of its own behind the one that locked: it sees what was committed until then, so that the versions it
 * raises are the last ones. The oldest go first, so that what a batch leaves is the newer part of the line. Without the seqs, every
 * batch would look through all younger messages of its chats: there is no index on time.
 */
export const PURGE_OLDER: Statement = {
  name: 'purge-older',
  text: `
    WITH doomed AS MATERIALIZED (
      SELECT m.chat_id, m.seq
      FROM unnest($1::uuid[], $2::bigint[]) AS x (chat_id, through_seq)
        CROSS JOIN LATERAL (
          SELECT m.chat_id, m.seq FROM message m
          WHERE m.chat_id = x.chat_id AND m.seq <= x.through_seq AND m.created_at < to_timestamp($3::bigint / 1000.0)
          ORDER BY m.seq LIMIT $4::int) m
      LIMIT $4::int
    ), forgotten AS (
      DELETE FROM message_edit e USING doomed d WHERE e.chat_id = d.chat_id AND e.seq = d.seq
    ), unreacted AS (
      DELETE FROM reaction r USING doomed d WHERE r.chat_id = d.chat_id AND r.seq = d.seq
    ), purged AS (
      DELETE FROM message m USING doomed d WHERE m.chat_id = d.chat_id AND m.seq = d.seq RETURNING m.chat_id
    )
    UPDATE chat_head h SET version = h.version + 1, reset_version = h.version + 1, changed_xid = pg_current_xact_id()
    FROM (SELECT chat_id, count(*) AS messages FROM purged GROUP BY chat_id) p
    WHERE h.chat_id = p.chat_id
    RETURNING h.chat_id, p.messages`,
};

/**
 * Gives the room of deleted rows back to their tables, and lets the server count them anew: before, an index still leads to what
 * is gone. Passes over tables that somebody holds.
 */
export const VACUUM_PURGED: Statement = {
  name: 'vacuum-purged',
  text: 'VACUUM (ANALYZE, SKIP_LOCKED) message, message_edit, reaction',
};
