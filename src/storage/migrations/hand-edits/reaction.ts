import { handEditTrigger, inOrder, triggerFunction } from './trigger-sql.js';

/**
 * A message whose reactions were changed is changed: it takes a step of its chat's version, however many of them there are.
 * Reactions to messages that are not there show nowhere and are no change.
 */
const CHANGED = triggerFunction('scrollback_reaction_changed', {
  declare: `  keys text := CASE TG_OP
    WHEN 'INSERT' THEN 'SELECT chat_id, seq FROM written'
    WHEN 'DELETE' THEN 'SELECT chat_id, seq FROM replaced'
    ELSE 'SELECT chat_id, seq FROM written UNION SELECT chat_id, seq FROM replaced' END;
  chat_ids uuid[];`,
  body: `
  EXECUTE format('SELECT ARRAY(SELECT DISTINCT k.chat_id FROM (%s) k)', keys) INTO chat_ids;
  PERFORM scrollback_lock_heads(chat_ids);
  EXECUTE format($sql$
    WITH changed AS (
      UPDATE message m SET version = n.version, changed = true
      FROM (
        SELECT k.chat_id, k.seq, h.version + row_number() OVER (PARTITION BY k.chat_id ORDER BY k.seq) AS version
        FROM (SELECT DISTINCT chat_id, seq FROM (%s) x) k
          JOIN message USING (chat_id, seq) JOIN chat_head h USING (chat_id)) n
      WHERE m.chat_id = n.chat_id AND m.seq = n.seq
      RETURNING m.chat_id
    )
    UPDATE chat_head h SET version = h.version + c.steps, changed_xid = pg_current_xact_id()
    FROM (SELECT chat_id, count(*) AS steps FROM changed GROUP BY chat_id) c
    WHERE h.chat_id = c.chat_id
  $sql$, keys);`,
});

/** What follows a person's edits of `reaction`. */
export const REACTION = inOrder(
  CHANGED,
  handEditTrigger('reaction', 'INSERT', 'scrollback_reaction_changed'),
  handEditTrigger('reaction', 'UPDATE', 'scrollback_reaction_changed'),
  handEditTrigger('reaction', 'DELETE', 'scrollback_reaction_changed'),
  handEditTrigger('reaction', 'TRUNCATE', 'scrollback_truncated'),
);
