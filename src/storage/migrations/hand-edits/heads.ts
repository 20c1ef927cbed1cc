import { inOrder, type ReversibleSql, triggerFunction } from './trigger-sql.js';

/** A function for the trigger functions alone: they run as its owner, nobody else may call it. */
function internalFunction(signature: string, body: string): ReversibleSql {
  return {
    up: [
      `CREATE FUNCTION ${signature} RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
${body}
$function$`,
      `REVOKE ALL ON FUNCTION ${signature} FROM PUBLIC`,
    ],
    down: [`DROP FUNCTION ${signature}`],
  };
}

/** Locks heads as the application does, in the order of their ids. What is read later sees all that was committed before. */
const LOCK_HEADS = internalFunction(
  'scrollback_lock_heads(chat_ids uuid[])',
  `BEGIN
  PERFORM FROM chat_head h WHERE h.chat_id = ANY (chat_ids) ORDER BY h.chat_id FOR UPDATE;
END`,
);

const REQUIRE_CHATS = internalFunction(
  'scrollback_require_chats(chat_ids uuid[])',
  `DECLARE
  missing uuid;
BEGIN
  SELECT x.chat_id INTO missing FROM unnest(chat_ids) AS x (chat_id)
  WHERE NOT EXISTS (SELECT FROM chat c JOIN chat_head h ON h.chat_id = c.id WHERE c.id = x.chat_id)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'There is no chat %.', missing
      USING ERRCODE = 'foreign_key_violation', HINT = 'Insert into chat first: that makes the row of chat_head along with it.';
  END IF;
END`,
);

/** For rows that have vanished: takes heads one step further, behind which changes cannot be told. */
const RESET_HEADS = internalFunction(
  'scrollback_reset_heads(chat_ids uuid[])',
  `BEGIN
  PERFORM scrollback_lock_heads(chat_ids);
  UPDATE chat_head h SET version = h.version + 1, reset_version = h.version + 1, changed_xid = pg_current_xact_id()
  WHERE h.chat_id = ANY (chat_ids);
END`,
);

/** TRUNCATE tells no rows, so every chat may have lost some. */
const TRUNCATED = triggerFunction('scrollback_truncated', {
  declare: '',
  body: `
  IF TG_TABLE_NAME = 'message' THEN
    DELETE FROM reaction;
    DELETE FROM message_edit;
  END IF;
  PERFORM scrollback_reset_heads(ARRAY(SELECT h.chat_id FROM chat_head h));`,
});

/**
 * A head never goes back, whoever writes it. A previous version of the application, which does not say that it is the
 * application, writes into a head what it has computed itself, after the triggers have taken it further.
 */
const KEEP_FORWARD: ReversibleSql = inOrder(
  triggerFunction('scrollback_head_went_back', {
    declare: '',
    body: `
  UPDATE chat_head h SET version = greatest(h.version, OLD.version), last_seq = greatest(h.last_seq, OLD.last_seq),
    reset_version = greatest(h.reset_version, OLD.reset_version)
  WHERE h.chat_id = NEW.chat_id;`,
  }),
  {
    up: [
      `CREATE TRIGGER scrollback_keep_forward AFTER UPDATE ON chat_head FOR EACH ROW
    WHEN (NEW.version < OLD.version OR NEW.last_seq < OLD.last_seq OR NEW.reset_version < OLD.reset_version)
    EXECUTE FUNCTION scrollback_head_went_back()`,
    ],
    down: ['DROP TRIGGER scrollback_keep_forward ON chat_head'],
  },
);

/** Chats that people have made without a head, before the triggers were there. */
const MISSING_HEADS: ReversibleSql = {
  up: [
    `INSERT INTO chat_head (chat_id, last_seq, version)
    SELECT c.id, coalesce((SELECT max(m.seq) FROM message m WHERE m.chat_id = c.id), 0),
      1 + greatest((SELECT max(m.version) FROM message m WHERE m.chat_id = c.id),
        (SELECT max(p.version) FROM participant p WHERE p.chat_id = c.id), 0)
    FROM chat c WHERE NOT EXISTS (SELECT FROM chat_head h WHERE h.chat_id = c.id)`,
  ],
  down: [],
};

/** What the triggers of all tables share: how heads are locked and moved. */
export const HEADS = inOrder(LOCK_HEADS, REQUIRE_CHATS, RESET_HEADS, TRUNCATED, KEEP_FORWARD, MISSING_HEADS);
