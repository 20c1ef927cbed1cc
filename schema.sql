-- The schema after all migrations. Made by `npm run schema`; a test keeps it in step. Not to be edited by hand.

CREATE OR REPLACE FUNCTION public.scrollback_chat_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');

BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  PERFORM scrollback_reset_heads(ARRAY(SELECT r.id FROM replaced r));
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_chat_deleted() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_chat_written()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
  chat_ids uuid[] := ARRAY(SELECT w.id FROM written w);
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  IF TG_OP = 'UPDATE' THEN
    -- A chat whose id was changed is gone under the old one.
    PERFORM scrollback_lock_heads(ARRAY(SELECT r.id FROM replaced r UNION SELECT w.id FROM written w));
    PERFORM scrollback_reset_heads(ARRAY(SELECT r.id FROM replaced r EXCEPT SELECT w.id FROM written w));
  END IF;
  INSERT INTO chat_head (chat_id) SELECT x.chat_id FROM unnest(chat_ids) AS x (chat_id) ORDER BY x.chat_id
  ON CONFLICT (chat_id) DO UPDATE SET version = chat_head.version + 1, changed_xid = pg_current_xact_id();
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_chat_written() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_content_digest(kind text, text text, metadata jsonb, reply_to bigint)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT sha256(convert_to(
      kind || E'\x1f' || coalesce(reply_to::text, '') || E'\x1f' || coalesce(metadata::text, '') || E'\x1f' || text,
      'UTF8'))
  $function$;

CREATE OR REPLACE FUNCTION public.scrollback_head_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_head_inserted() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_head_went_back()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');

BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  UPDATE chat_head h SET version = greatest(h.version, OLD.version), last_seq = greatest(h.last_seq, OLD.last_seq),
    reset_version = greatest(h.reset_version, OLD.reset_version)
  WHERE h.chat_id = NEW.chat_id;
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_head_went_back() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_lock_heads(chat_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
  PERFORM FROM chat_head h WHERE h.chat_id = ANY (chat_ids) ORDER BY h.chat_id FOR UPDATE;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_lock_heads(uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_message_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');

BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  PERFORM scrollback_reset_heads(ARRAY(SELECT DISTINCT r.chat_id FROM replaced r));
  EXECUTE $sql$
    WITH forgotten AS (
      DELETE FROM message_edit e USING replaced r WHERE e.chat_id = r.chat_id AND e.seq = r.seq
    )
    DELETE FROM reaction x USING replaced r WHERE x.chat_id = r.chat_id AND x.seq = r.seq
  $sql$;
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_message_deleted() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_message_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
  chat_ids uuid[] := ARRAY(SELECT DISTINCT w.chat_id FROM written w);
  hole record;
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  PERFORM scrollback_lock_heads(chat_ids);
  PERFORM scrollback_require_chats(chat_ids);
  IF EXISTS (SELECT FROM written w WHERE w.seq = 0) THEN
    RAISE EXCEPTION 'The first message of a chat has seq 1.' USING ERRCODE = 'check_violation';
  END IF;
  EXECUTE $sql$
    SELECT w.chat_id, h.last_seq + 1 AS next_seq, max(w.seq) AS seq
    FROM written w JOIN chat_head h ON h.chat_id = w.chat_id
    WHERE w.seq > h.last_seq
    GROUP BY w.chat_id, h.last_seq HAVING max(w.seq) - h.last_seq > count(*) LIMIT 1
  $sql$ INTO hole;
  IF hole.chat_id IS NOT NULL THEN
    RAISE EXCEPTION 'Message % of chat % would leave a hole: the next seq is %.', hole.seq, hole.chat_id, hole.next_seq
      USING ERRCODE = 'check_violation', HINT = 'Leave seq out to have messages numbered, or go on without a hole.';
  END IF;
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
  $sql$;
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_message_inserted() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_message_updated()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
  moved uuid[];
  hole record;
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

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
    EXECUTE $sql$
    SELECT w.chat_id, h.last_seq + 1 AS next_seq, max(w.seq) AS seq
    FROM written w JOIN chat_head h ON h.chat_id = w.chat_id
    WHERE w.seq > h.last_seq
    GROUP BY w.chat_id, h.last_seq HAVING max(w.seq) - h.last_seq > count(*) LIMIT 1
  $sql$ INTO hole;
  IF hole.chat_id IS NOT NULL THEN
    RAISE EXCEPTION 'Message % of chat % would leave a hole: the next seq is %.', hole.seq, hole.chat_id, hole.next_seq
      USING ERRCODE = 'check_violation', HINT = 'Leave seq out to have messages numbered, or go on without a hole.';
  END IF;
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
  PERFORM scrollback_reset_heads(moved);
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_message_updated() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_participant_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');

BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  PERFORM scrollback_reset_heads(ARRAY(SELECT DISTINCT r.chat_id FROM replaced r));
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_participant_deleted() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_participant_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
  chat_ids uuid[] := ARRAY(SELECT DISTINCT w.chat_id FROM written w);
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  PERFORM scrollback_lock_heads(chat_ids);
  PERFORM scrollback_require_chats(chat_ids);
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
  $sql$;
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_participant_inserted() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_participant_updated()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
  chat_ids uuid[] := ARRAY(SELECT DISTINCT w.chat_id FROM written w);
  moved uuid[];
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  PERFORM scrollback_lock_heads(ARRAY(SELECT r.chat_id FROM replaced r UNION SELECT w.chat_id FROM written w));
  PERFORM scrollback_require_chats(chat_ids);
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
  $sql$;
  EXECUTE $sql$
    SELECT array_agg(DISTINCT r.chat_id) FROM replaced r
    WHERE NOT EXISTS (SELECT FROM written w WHERE w.chat_id = r.chat_id AND w.user_id = r.user_id)
  $sql$ INTO moved;
  PERFORM scrollback_reset_heads(moved);
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_participant_updated() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_reaction_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
  keys text := CASE TG_OP
    WHEN 'INSERT' THEN 'SELECT chat_id, seq FROM written'
    WHEN 'DELETE' THEN 'SELECT chat_id, seq FROM replaced'
    ELSE 'SELECT chat_id, seq FROM written UNION SELECT chat_id, seq FROM replaced' END;
  chat_ids uuid[];
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

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
  $sql$, keys);
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_reaction_changed() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_require_chats(chat_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  missing uuid;
BEGIN
  SELECT x.chat_id INTO missing FROM unnest(chat_ids) AS x (chat_id)
  WHERE NOT EXISTS (SELECT FROM chat c JOIN chat_head h ON h.chat_id = c.id WHERE c.id = x.chat_id)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'There is no chat %.', missing
      USING ERRCODE = 'foreign_key_violation', HINT = 'Insert into chat first: that makes the row of chat_head along with it.';
  END IF;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_require_chats(uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_reset_heads(chat_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
  PERFORM scrollback_lock_heads(chat_ids);
  UPDATE chat_head h SET version = h.version + 1, reset_version = h.version + 1, changed_xid = pg_current_xact_id()
  WHERE h.chat_id = ANY (chat_ids);
END
$function$;
REVOKE ALL ON FUNCTION scrollback_reset_heads(uuid[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_restored()
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  step CONSTANT bigint := 1000000000;
  chats bigint;
BEGIN
  UPDATE chat_head h SET version = h.version + step, reset_version = h.version + step, changed_xid = pg_current_xact_id();
  GET DIAGNOSTICS chats = ROW_COUNT;
  RETURN chats;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_restored() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_truncated()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');

BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);

  IF TG_TABLE_NAME = 'message' THEN
    DELETE FROM reaction;
    DELETE FROM message_edit;
  END IF;
  PERFORM scrollback_reset_heads(ARRAY(SELECT h.chat_id FROM chat_head h));
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION scrollback_truncated() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.scrollback_uuid_v7()
 RETURNS uuid
 LANGUAGE sql
 PARALLEL SAFE
AS $function$
    SELECT encode(
      set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
          PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1),
      'hex')::uuid
  $function$;

CREATE SEQUENCE message_provisional_seq AS bigint INCREMENT BY -1 MAXVALUE -1 START WITH -1 CACHE 100;

CREATE TABLE cache_heat (
  chat_id uuid NOT NULL,
  rank integer NOT NULL,
  version bigint NOT NULL,
  saved_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT cache_heat_pkey PRIMARY KEY (chat_id)
);
COMMENT ON TABLE cache_heat IS 'Which chats were hot when an instance last saved its cache state, hottest first: what warming loads first.';

CREATE TABLE chat (
  id uuid NOT NULL DEFAULT scrollback_uuid_v7(),
  kind text NOT NULL DEFAULT 'group'::text,
  title text,
  metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_by text COLLATE "C",
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  updated_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp(3) with time zone,
  create_digest bytea,
  CONSTRAINT chat_pkey PRIMARY KEY (id),
  CONSTRAINT chat_kind_check CHECK ((kind = ANY (ARRAY['direct'::text, 'group'::text, 'channel'::text]))),
  CONSTRAINT chat_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text))
);
CREATE TRIGGER scrollback_hand_delete AFTER DELETE ON chat REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_chat_deleted();
CREATE TRIGGER scrollback_hand_insert AFTER INSERT ON chat REFERENCING NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_chat_written();
CREATE TRIGGER scrollback_hand_truncate AFTER TRUNCATE ON chat FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_truncated();
CREATE TRIGGER scrollback_hand_update AFTER UPDATE ON chat REFERENCING OLD TABLE AS replaced NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_chat_written();
COMMENT ON TABLE chat IS 'One row per chat. What changes often is in chat_head.';

CREATE TABLE chat_head (
  chat_id uuid NOT NULL,
  last_seq bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  reset_version bigint NOT NULL DEFAULT 0,
  changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  changed_span bigint NOT NULL GENERATED ALWAYS AS (((changed_xid)::text)::bigint >> 8) STORED,
  CONSTRAINT chat_head_pkey PRIMARY KEY (chat_id)
) WITH (fillfactor=70);
CREATE INDEX chat_head_changed_span ON chat_head USING btree (changed_span, chat_id);
CREATE TRIGGER scrollback_keep_forward AFTER UPDATE ON chat_head FOR EACH ROW WHEN (((new.version < old.version) OR (new.last_seq < old.last_seq) OR (new.reset_version < old.reset_version))) EXECUTE FUNCTION scrollback_head_went_back();
CREATE TRIGGER scrollback_mark_inserted BEFORE INSERT ON chat_head FOR EACH ROW WHEN ((new.changed_xid <> pg_current_xact_id())) EXECUTE FUNCTION scrollback_head_inserted();
COMMENT ON TABLE chat_head IS 'The hot row of a chat: last seq, version (one step per change), reset_version (changes before it cannot be told any more), changed_xid (transaction of the last change; the coherence poll reads it). Stays when the chat goes.';
COMMENT ON COLUMN chat_head.changed_span IS 'changed_xid / 256: what the coherence poll finds heads by. Updates within one span touch no index.';

CREATE TABLE message (
  chat_id uuid NOT NULL,
  seq bigint NOT NULL DEFAULT nextval('message_provisional_seq'::regclass),
  version bigint NOT NULL DEFAULT 0,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  edited_at timestamp(3) with time zone,
  deleted_at timestamp(3) with time zone,
  reply_to bigint,
  changed boolean NOT NULL DEFAULT false,
  kind text NOT NULL DEFAULT 'user'::text,
  sender_id text COLLATE "C" NOT NULL,
  client_id text COLLATE "C",
  text text,
  metadata jsonb,
  content_digest bytea,
  CONSTRAINT message_pkey PRIMARY KEY (chat_id, seq),
  CONSTRAINT message_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'system'::text]))),
  CONSTRAINT message_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  CONSTRAINT message_text_check CHECK (((text IS NULL) = (deleted_at IS NOT NULL)))
);
CREATE INDEX message_changed ON message USING btree (chat_id, version) WHERE changed;
CREATE UNIQUE INDEX message_client_id ON message USING btree (chat_id, sender_id, client_id) WHERE (client_id IS NOT NULL);
CREATE TRIGGER scrollback_hand_delete AFTER DELETE ON message REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_message_deleted();
CREATE TRIGGER scrollback_hand_insert AFTER INSERT ON message REFERENCING NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_message_inserted();
CREATE TRIGGER scrollback_hand_truncate AFTER TRUNCATE ON message FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_truncated();
CREATE TRIGGER scrollback_hand_update AFTER UPDATE ON message REFERENCING OLD TABLE AS replaced NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_message_updated();
COMMENT ON TABLE message IS 'Messages, numbered 1, 2, 3, ... per chat without holes. A deleted one keeps its row without its text.';
COMMENT ON COLUMN message.seq IS 'Place in the chat: 1, 2, 3, ... Leave it out of an INSERT to have it given out: what RETURNING tells is then provisional.';
COMMENT ON COLUMN message.changed IS 'Changed after it was first written (edited, deleted, reacted to): such rows are found by version, the others by seq.';
COMMENT ON COLUMN message.content_digest IS 'Digest of what was first sent, kept when an edit or delete replaces it, so that a repeated send is still recognised.';

CREATE TABLE message_edit (
  chat_id uuid NOT NULL,
  seq bigint NOT NULL,
  version bigint NOT NULL,
  text text NOT NULL,
  metadata jsonb,
  replaced_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT message_edit_pkey PRIMARY KEY (chat_id, seq, version)
);
COMMENT ON TABLE message_edit IS 'What an edit replaced: the text and metadata that the message had at that version. Emptied when the message is deleted.';

CREATE TABLE participant (
  chat_id uuid NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  role text NOT NULL DEFAULT 'member'::text,
  joined_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  left_at timestamp(3) with time zone,
  last_read_seq bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 0,
  settings jsonb NOT NULL DEFAULT '{}'::jsonb,
  CONSTRAINT participant_pkey PRIMARY KEY (chat_id, user_id),
  CONSTRAINT participant_last_read_seq_check CHECK ((last_read_seq >= 0)),
  CONSTRAINT participant_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'readonly'::text]))),
  CONSTRAINT participant_user_id_check CHECK (((char_length(user_id) >= 1) AND (char_length(user_id) <= 128)))
) WITH (fillfactor=85);
CREATE INDEX participant_user_id ON participant USING btree (user_id, chat_id) WHERE (left_at IS NULL);
CREATE INDEX participant_version ON participant USING btree (chat_id, version);
CREATE TRIGGER scrollback_hand_delete AFTER DELETE ON participant REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_participant_deleted();
CREATE TRIGGER scrollback_hand_insert AFTER INSERT ON participant REFERENCING NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_participant_inserted();
CREATE TRIGGER scrollback_hand_truncate AFTER TRUNCATE ON participant FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_truncated();
CREATE TRIGGER scrollback_hand_update AFTER UPDATE ON participant REFERENCING OLD TABLE AS replaced NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_participant_updated();
COMMENT ON TABLE participant IS 'Who is in a chat. left_at is set when they leave; the row stays.';

CREATE TABLE reaction (
  chat_id uuid NOT NULL,
  seq bigint NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  emoji text COLLATE "C" NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT reaction_pkey PRIMARY KEY (chat_id, seq, user_id, emoji)
);
CREATE TRIGGER scrollback_hand_delete AFTER DELETE ON reaction REFERENCING OLD TABLE AS replaced FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_reaction_changed();
CREATE TRIGGER scrollback_hand_insert AFTER INSERT ON reaction REFERENCING NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_reaction_changed();
CREATE TRIGGER scrollback_hand_truncate AFTER TRUNCATE ON reaction FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_truncated();
CREATE TRIGGER scrollback_hand_update AFTER UPDATE ON reaction REFERENCING OLD TABLE AS replaced NEW TABLE AS written FOR EACH STATEMENT WHEN ((current_setting('scrollback.writer'::text, true) IS DISTINCT FROM 'application'::text)) EXECUTE FUNCTION scrollback_reaction_changed();
COMMENT ON TABLE reaction IS 'One row per message, user and emoji.';

CREATE TABLE user_profile (
  user_id text COLLATE "C" NOT NULL,
  name text,
  metadata jsonb,
  CONSTRAINT user_profile_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE user_profile IS 'Names that an import brought along, kept for export. No request reads it: users belong to the host application.';
