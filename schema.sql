-- The schema after all migrations. Made by `npm run schema`; a test keeps it in step. Not to be edited by hand.

CREATE OR REPLACE FUNCTION public.scrollback_content_digest(kind text, text text, metadata jsonb, reply_to bigint)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT sha256(convert_to(
      kind || E'\x1f' || coalesce(reply_to::text, '') || E'\x1f' || coalesce(metadata::text, '') || E'\x1f' || text,
      'UTF8'))
  $function$;

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
COMMENT ON TABLE chat IS 'One row per chat. What changes often is in chat_head.';

CREATE TABLE chat_head (
  chat_id uuid NOT NULL,
  last_seq bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  reset_version bigint NOT NULL DEFAULT 0,
  changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT chat_head_pkey PRIMARY KEY (chat_id)
) WITH (fillfactor=70);
CREATE INDEX chat_head_changed_xid ON chat_head USING btree (changed_xid);
COMMENT ON TABLE chat_head IS 'The hot row of a chat: last seq, version (one step per change), reset_version (changes before it cannot be told any more), changed_xid (transaction of the last change; the coherence poll reads it). Stays when the chat goes.';

CREATE TABLE message (
  chat_id uuid NOT NULL,
  seq bigint NOT NULL,
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
COMMENT ON TABLE message IS 'Messages, numbered 1, 2, 3, ... per chat without holes. A deleted one keeps its row without its text.';
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
COMMENT ON TABLE participant IS 'Who is in a chat. left_at is set when they leave; the row stays.';

CREATE TABLE reaction (
  chat_id uuid NOT NULL,
  seq bigint NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  emoji text COLLATE "C" NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT reaction_pkey PRIMARY KEY (chat_id, seq, user_id, emoji)
);
COMMENT ON TABLE reaction IS 'One row per message, user and emoji.';

CREATE TABLE user_profile (
  user_id text COLLATE "C" NOT NULL,
  name text,
  metadata jsonb,
  CONSTRAINT user_profile_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE user_profile IS 'Names that an import brought along, kept for export. No request reads it: users belong to the host application.';
