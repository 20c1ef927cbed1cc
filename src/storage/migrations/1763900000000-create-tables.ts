import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The tables of the design. They are plain on purpose: people read and write them with psql.
 *
 * @remarks
 * - There are no foreign keys. A key from `message` to `chat` would take a row lock on the chat for every message, and a
 *   chat's head must outlive the chat, so that every instance hears that it is gone.
 * - Ids and user ids compare by bytes (`COLLATE "C"`), so that paging has one order on every server.
 * - Times have milliseconds, the precision that the API shows, so that what is read back is what was answered.
 */
export class CreateTables1763900000000 implements MigrationInterface {
  readonly name = 'CreateTables1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of DOWN) await runner.query(statement);
  }
}

const UP = [
  // RFC 9562 version 7 in SQL, because uuidv7() came with PostgreSQL 18 and we run on 14: 48 bits of milliseconds over
  // the random bits of a version 4, then the version nibble.
  `CREATE FUNCTION scrollback_uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
      set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
          PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1),
      'hex')::uuid
  $$`,
  // What tells a repeated send from another one with the same client id once the row itself has been edited or deleted.
  `CREATE FUNCTION scrollback_content_digest(kind text, text text, metadata jsonb, reply_to bigint) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(
      kind || E'\\x1f' || coalesce(reply_to::text, '') || E'\\x1f' || coalesce(metadata::text, '') || E'\\x1f' || text,
      'UTF8'))
  $$`,
  `CREATE TABLE chat (
    id uuid NOT NULL DEFAULT scrollback_uuid_v7(),
    kind text NOT NULL DEFAULT 'group',
    title text,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_by text COLLATE "C",
    created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    updated_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    deleted_at timestamp(3) with time zone,
    create_digest bytea,
    CONSTRAINT chat_pkey PRIMARY KEY (id),
    CONSTRAINT chat_kind_check CHECK (kind IN ('direct', 'group', 'channel')),
    CONSTRAINT chat_metadata_check CHECK (jsonb_typeof(metadata) = 'object')
  )`,
  // Narrow and hot: every change of a chat locks and updates this one row. Room is left on the page for the new version.
  `CREATE TABLE chat_head (
    chat_id uuid NOT NULL,
    last_seq bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    reset_version bigint NOT NULL DEFAULT 0,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT chat_head_pkey PRIMARY KEY (chat_id)
  ) WITH (fillfactor = 70)`,
  `CREATE INDEX chat_head_changed_xid ON chat_head (changed_xid)`,
  `CREATE TABLE participant (
    chat_id uuid NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL DEFAULT 'member',
    joined_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    left_at timestamp(3) with time zone,
    last_read_seq bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    settings jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT participant_pkey PRIMARY KEY (chat_id, user_id),
    CONSTRAINT participant_user_id_check CHECK (char_length(user_id) BETWEEN 1 AND 128),
    CONSTRAINT participant_role_check CHECK (role IN ('owner', 'admin', 'member', 'readonly')),
    CONSTRAINT participant_last_read_seq_check CHECK (last_read_seq >= 0)
  ) WITH (fillfactor = 85)`,
  `CREATE INDEX participant_user_id ON participant (user_id, chat_id) WHERE left_at IS NULL`,
  `CREATE INDEX participant_version ON participant (chat_id, version)`,
  `CREATE TABLE message (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    edited_at timestamp(3) with time zone,
    deleted_at timestamp(3) with time zone,
    reply_to bigint,
    changed boolean NOT NULL DEFAULT false,
    kind text NOT NULL DEFAULT 'user',
    sender_id text COLLATE "C" NOT NULL,
    client_id text COLLATE "C",
    text text,
    metadata jsonb,
    content_digest bytea,
    CONSTRAINT message_pkey PRIMARY KEY (chat_id, seq),
    CONSTRAINT message_kind_check CHECK (kind IN ('user', 'system')),
    CONSTRAINT message_text_check CHECK ((text IS NULL) = (deleted_at IS NOT NULL)),
    CONSTRAINT message_metadata_check CHECK (jsonb_typeof(metadata) = 'object')
  )`,
  `CREATE UNIQUE INDEX message_client_id ON message (chat_id, sender_id, client_id) WHERE client_id IS NOT NULL`,
  `CREATE INDEX message_changed ON message (chat_id, version) WHERE changed`,
  `CREATE TABLE message_edit (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL,
    text text NOT NULL,
    metadata jsonb,
    replaced_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    CONSTRAINT message_edit_pkey PRIMARY KEY (chat_id, seq, version)
  )`,
  `CREATE TABLE reaction (
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    emoji text COLLATE "C" NOT NULL,
    created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    CONSTRAINT reaction_pkey PRIMARY KEY (chat_id, seq, user_id, emoji)
  )`,
  `CREATE TABLE user_profile (
    user_id text COLLATE "C" NOT NULL,
    name text,
    metadata jsonb,
    CONSTRAINT user_profile_pkey PRIMARY KEY (user_id)
  )`,
  `CREATE TABLE cache_heat (
    chat_id uuid NOT NULL,
    rank integer NOT NULL,
    version bigint NOT NULL,
    saved_at timestamp(3) with time zone NOT NULL DEFAULT now(),
    CONSTRAINT cache_heat_pkey PRIMARY KEY (chat_id)
  )`,
  `COMMENT ON TABLE chat IS 'One row per chat. What changes often is in chat_head.'`,
  `COMMENT ON TABLE chat_head IS 'The hot row of a chat: last seq, version (one step per change), reset_version (changes before it cannot be told any more), changed_xid (transaction of the last change; the coherence poll reads it). Stays when the chat goes.'`,
  `COMMENT ON TABLE participant IS 'Who is in a chat. left_at is set when they leave; the row stays.'`,
  `COMMENT ON TABLE message IS 'Messages, numbered 1, 2, 3, ... per chat without holes. A deleted one keeps its row without its text.'`,
  `COMMENT ON COLUMN message.changed IS 'Changed after it was first written (edited, deleted, reacted to): such rows are found by version, the others by seq.'`,
  `COMMENT ON COLUMN message.content_digest IS 'Digest of what was first sent, kept when an edit or delete replaces it, so that a repeated send is still recognised.'`,
  `COMMENT ON TABLE message_edit IS 'What an edit replaced: the text and metadata that the message had at that version. Emptied when the message is deleted.'`,
  `COMMENT ON TABLE reaction IS 'One row per message, user and emoji.'`,
  `COMMENT ON TABLE user_profile IS 'Names that an import brought along, kept for export. No request reads it: users belong to the host application.'`,
  `COMMENT ON TABLE cache_heat IS 'Which chats were hot when an instance last saved its cache state, hottest first: what warming loads first.'`,
];

const DOWN = [
  `DROP TABLE cache_heat, user_profile, reaction, message_edit, message, participant, chat_head, chat`,
  `DROP FUNCTION scrollback_content_digest(text, text, jsonb, bigint)`,
  `DROP FUNCTION scrollback_uuid_v7()`,
];
