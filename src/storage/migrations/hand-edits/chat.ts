import { handEditTrigger, inOrder, triggerFunction } from './trigger-sql.js';

/** A new chat gets its head, or takes the one that is there from before a step further, as an update does. */
const WRITTEN = triggerFunction('scrollback_chat_written', {
  declare: `  chat_ids uuid[] := ARRAY(SELECT w.id FROM written w);`,
  body: `
  IF TG_OP = 'UPDATE' THEN
    -- A chat whose id was changed is gone under the old one.
    PERFORM scrollback_lock_heads(ARRAY(SELECT r.id FROM replaced r UNION SELECT w.id FROM written w));
    PERFORM scrollback_reset_heads(ARRAY(SELECT r.id FROM replaced r EXCEPT SELECT w.id FROM written w));
  END IF;
  INSERT INTO chat_head (chat_id) SELECT x.chat_id FROM unnest(chat_ids) AS x (chat_id) ORDER BY x.chat_id
  ON CONFLICT (chat_id) DO UPDATE SET version = chat_head.version + 1, changed_xid = pg_current_xact_id();`,
});

/** The head of a deleted chat stays: by its version, every instance hears that the chat is gone. */
const DELETED = triggerFunction('scrollback_chat_deleted', {
  declare: '',
  body: `
  PERFORM scrollback_reset_heads(ARRAY(SELECT r.id FROM replaced r));`,
});

/** What follows a person's edits of `chat`. */
export const CHAT = inOrder(
  WRITTEN,
  DELETED,
  handEditTrigger('chat', 'INSERT', 'scrollback_chat_written'),
  handEditTrigger('chat', 'UPDATE', 'scrollback_chat_written'),
  handEditTrigger('chat', 'DELETE', 'scrollback_chat_deleted'),
  handEditTrigger('chat', 'TRUNCATE', 'scrollback_truncated'),
);
