import { handEditTrigger, inOrder, triggerFunction } from './trigger-sql.js';

/** Every written row is a change of its own: it takes a step of its chat's version. */
const NUMBER_ROWS = `
  EXECUTE $sql$
    WITH changed AS (
      UPDATE participant p SET version = n.version
      FROM (
        SELECT w.chat_id, w.user_id, h.version + row_number() OVER (PARTITION BY w.chat_id ORDER BY w.user_id) AS version
        FROM written w JOIN chat_head h ON h.chat_id = w.chat_id) n
      WHERE p.chat_id = n.chat_id AND p.user_id = n.user_id
      RETURNING p.chat_id
    )
    UPDATE chat_head h SET version = h.version + c.steps, changed_xid = pg_current_xact_id()
    FROM (SELECT chat_id, count(*) AS steps FROM changed GROUP BY chat_id) c
    WHERE h.chat_id = c.chat_id
  $sql$;`;

const INSERTED = triggerFunction('scrollback_participant_inserted', {
  declare: `  chat_ids uuid[] := ARRAY(SELECT DISTINCT w.chat_id FROM written w);`,
  body: `
  PERFORM scrollback_lock_heads(chat_ids);
  PERFORM scrollback_require_chats(chat_ids);
  ${NUMBER_ROWS.trim()}`,
});

/** A row whose key was changed has vanished under the old one. */
const UPDATED = triggerFunction('scrollback_participant_updated', {
  declare: `  chat_ids uuid[] := ARRAY(SELECT DISTINCT w.chat_id FROM written w);
  moved uuid[];`,
  body: `
  PERFORM scrollback_lock_heads(ARRAY(SELECT r.chat_id FROM replaced r UNION SELECT w.chat_id FROM written w));
  PERFORM scrollback_require_chats(chat_ids);
  ${NUMBER_ROWS.trim()}
  EXECUTE $sql$
    SELECT array_agg(DISTINCT r.chat_id) FROM replaced r
    WHERE NOT EXISTS (SELECT FROM written w WHERE w.chat_id = r.chat_id AND w.user_id = r.user_id)
  $sql$ INTO moved;
  PERFORM scrollback_reset_heads(moved);`,
});

const DELETED = triggerFunction('scrollback_participant_deleted', {
  declare: '',
  body: `
  PERFORM scrollback_reset_heads(ARRAY(SELECT DISTINCT r.chat_id FROM replaced r));`,
});

/** What follows a person's edits of `participant`. */
export const PARTICIPANT = inOrder(
  INSERTED,
  UPDATED,
  DELETED,
  handEditTrigger('participant', 'INSERT', 'scrollback_participant_inserted'),
  handEditTrigger('participant', 'UPDATE', 'scrollback_participant_updated'),
  handEditTrigger('participant', 'DELETE', 'scrollback_participant_deleted'),
  handEditTrigger('participant', 'TRUNCATE', 'scrollback_truncated'),
);
