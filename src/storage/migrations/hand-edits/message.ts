import { handEditTrigger, inOrder, type ReversibleSql, triggerFunction } from './trigger-sql.js';

/**
 * Where an INSERT names no seq, rows get a number that is not one: they are numbered when all of the statement's are there.
 * Below zero, and never twice, so that it is in nobody's way. A default needs the right to use its sequence.
 */
const PROVISIONAL_SEQ: ReversibleSql = {
  up: [
    `CREATE SEQUENCE message_provisional_seq AS bigint INCREMENT BY -1 MAXVALUE -1 START WITH -1 CACHE 100 OWNED BY message.seq`,
    `GRANT USAGE ON SEQUENCE message_provisional_seq TO PUBLIC`,
    `ALTER TABLE message ALTER COLUMN seq SET DEFAULT nextval('message_provisional_seq')`,
    `COMMENT ON COLUMN message.seq IS 'Place in the chat: 1, 2, 3, ... Leave it out of an INSERT to have it given out: what RETURNING tells is then provisional.'`,
  ],
  down: [
    `COMMENT ON COLUMN message.seq IS NULL`,
    `ALTER TABLE message ALTER COLUMN seq DROP DEFAULT`,
    `DROP SEQUENCE message_provisional_seq`,
  ],
};

/** Refuses seqs that would leave a hole behind the last one. */
const CHECK_LINE = `
  EXECUTE $sql$
    SELECT w.chat_id, h.last_seq + 1 AS next_seq, max(w.seq) AS seq
    FROM written w JOIN chat_head h ON h.chat_id = w.chat_id
    WHERE w.seq > h.last_seq
    GROUP BY w.chat_id, h.last_seq HAVING max(w.seq) - h.last_seq > count(*) LIMIT 1
  $sql$ INTO hole;
  IF hole.chat_id IS NOT NULL THEN
    RAISE EXCEPTION 'Message % of chat % would leave a hole: the next seq is %.', hole.seq, hole.chat_id, hole.next_seq
      USING ERRCODE = 'check_violation', HINT = 'Leave seq out to have messages numbered, or go on without a hole.';
  END IF;`;

/**
 * Rows with a seq of their own are taken as history: they go on from the last seq or fill holes, and stay as they are. Whoever asks for
 * changes since before is told to reload. The others are numbered in the order in which they were inserted.
 */
const INSERTED = triggerFunction('scrollback_message_inserted', {
  declare: `  chat_ids uuid[] := ARRAY(SELECT DISTINCT w.chat_id FROM written w);
  hole record;`,
  body: `
  PERFORM scrollback_lock_heads(chat_ids);
  PERFORM scrollback_require_chats(chat_ids);
  IF EXISTS (SELECT FROM written w WHERE w.seq = 0) THEN
    RAISE EXCEPTION 'The first message of a chat has seq 1.' USING ERRCODE = 'check_violation';
  END IF;
  ${CHECK_LINE.trim()}
  EXECUTE $sql$
    UPDATE chat_head h SET last_seq = greatest(h.last_seq, g.last_seq), version = greatest(h.version, g.version) + 1,
      reset_version = greatest(h.version, g.version) + 1, changed_xid = pg_current_xact_id()
    FROM (SELECT w.chat_id, max(w.seq) AS last_seq, max(w.version) AS version FROM written w WHERE w.seq > 0 GROUP BY w.chat_id) g
    WHERE h.chat_id = g.chat_id
  $sql$;
  EXECUTE $sql$
    WITH placed AS (
      UPDATE message m SET seq = n.seq, version = n.version, changed = false
      FROM (
        SELECT w.chat_id, w.seq AS provisional, h.last_seq + row_number() OVER line AS seq, h.version + row_number() OVER line AS version
        FROM written w JOIN chat_head h ON h.chat_id = w.chat_id
        WHERE w.seq < 0 WINDOW line AS (PARTITION BY w.chat_id ORDER BY w.seq DESC)) n
      WHERE m.chat_id = n.chat_id AND m.seq = n.provisional
      RETURNING m.chat_id
    )
    UPDATE chat_head h SET last_seq = h.last_seq + p.rows, version = h.version + p.rows, changed_xid = pg_current_xact_id()
    FROM (SELECT chat_id, count(*) AS rows FROM placed GROUP BY chat_id) p
    WHERE h.chat_id = p.chat_id
  $sql$;`,
});

/**
 * Every updated row is a change of its own. What was first sent is kept as a digest, by which a repeated send is still
 * recognised, and what a deleted message had goes, as in the application. A row whose key was changed has vanished under the old one.
 */
const UPDATED = triggerFunction('scrollback_message_updated', {
  declare: `  moved uuid[];
  hole record;`,
  body: `
  PERFORM scrollback_lock_heads(ARRAY(SELECT r.chat_id FROM replaced r UNION SELECT w.chat_id FROM written w));
  PERFORM scrollback_require_chats(ARRAY(SELECT DISTINCT w.chat_id FROM written w));
  EXECUTE $sql$
    SELECT array_agg(DISTINCT k.chat_id) FROM (
      SELECT r.chat_id FROM replaced r WHERE NOT EXISTS (SELECT FROM written w WHERE w.chat_id = r.chat_id AND w.seq = r.seq)
      UNION ALL
      SELECT w.chat_id FROM written w WHERE NOT EXISTS (SELECT FROM replaced r WHERE r.chat_id = w.chat_id AND r.seq = w.seq)) k
  $sql$ INTO moved;
  IF moved IS NOT NULL THEN
    IF EXISTS (SELECT FROM written w WHERE w.seq < 1) THEN
      RAISE EXCEPTION 'The first message of a chat has seq 1.' USING ERRCODE = 'check_violation';
    END IF;
    ${CHECK_LINE.trim()}
    EXECUTE $sql$
      UPDATE chat_head h SET last_seq = greatest(h.last_seq, g.last_seq)
      FROM (SELECT w.chat_id, max(w.seq) AS last_seq FROM written w GROUP BY w.chat_id) g
      WHERE h.chat_id = g.chat_id
    $sql$;
  END IF;
  EXECUTE $sql$
    WITH changed AS (
      UPDATE message m SET version = n.version, changed = true,
        metadata = CASE WHEN m.deleted_at IS NULL THEN m.metadata END, content_digest = coalesce(m.content_digest, n.digest)
      FROM (
        SELECT w.chat_id, w.seq, h.version + row_number() OVER (PARTITION BY w.chat_id ORDER BY w.seq) AS version,
          CASE WHEN (r.sender_id, r.client_id) = (w.sender_id, w.client_id)
              AND (r.kind, r.text, r.metadata, r.reply_to) IS DISTINCT FROM (w.kind, w.text, w.metadata, w.reply_to)
            THEN coalesce(r.content_digest, scrollback_content_digest(r.kind, r.text, r.metadata, r.reply_to)) END AS digest
        FROM written w JOIN chat_head h ON h.chat_id = w.chat_id
          LEFT JOIN replaced r ON r.chat_id = w.chat_id AND r.seq = w.seq) n
      WHERE m.chat_id = n.chat_id AND m.seq = n.seq
      RETURNING m.chat_id
    )
    UPDATE chat_head h SET version = h.version + c.steps, changed_xid = pg_current_xact_id()
    FROM (SELECT chat_id, count(*) AS steps FROM changed GROUP BY chat_id) c
    WHERE h.chat_id = c.chat_id
  $sql$;
  EXECUTE $sql$
    WITH forgotten AS (
      DELETE FROM message_edit e USING written w WHERE w.deleted_at IS NOT NULL AND e.chat_id = w.chat_id AND e.seq = w.seq
    )
    DELETE FROM reaction x USING written w WHERE w.deleted_at IS NOT NULL AND x.chat_id = w.chat_id AND x.seq = w.seq
  $sql$;
  PERFORM scrollback_reset_heads(moved);`,
});

/** With a message go its reactions and what its edits replaced. Its seq is not given out again. */
const DELETED = triggerFunction('scrollback_message_deleted', {
  declare: '',
  body: `
  PERFORM scrollback_reset_heads(ARRAY(SELECT DISTINCT r.chat_id FROM replaced r));
  EXECUTE $sql$
    WITH forgotten AS (
      DELETE FROM message_edit e USING replaced r WHERE e.chat_id = r.chat_id AND e.seq = r.seq
    )
    DELETE FROM reaction x USING replaced r WHERE x.chat_id = r.chat_id AND x.seq = r.seq
  $sql$;`,
});

/** What follows a person's edits of `message`. */
export const MESSAGE = inOrder(
  PROVISIONAL_SEQ,
  INSERTED,
  UPDATED,
  DELETED,
  handEditTrigger('message', 'INSERT', 'scrollback_message_inserted'),
  handEditTrigger('message', 'UPDATE', 'scrollback_message_updated'),
  handEditTrigger('message', 'DELETE', 'scrollback_message_deleted'),
  handEditTrigger('message', 'TRUNCATE', 'scrollback_truncated'),
);
