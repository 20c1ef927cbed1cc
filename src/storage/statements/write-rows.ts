import type { Statement } from '../database.js';

/** SQL for a time parameter that comes as milliseconds since 1970. */
function timestamp(column: string): string {
  return `to_timestamp(${column} / 1000.0)`;
}

/**
 * Inserts messages whose seq and version are decided, and gives back the metadata of those that have some, in the form
 * that the database keeps.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs, `$3 bigint[]` versions, `$4 text[]` senders,
 * `$5 text[]` client ids, `$6 text[]` kinds, `$7 text[]` texts, `$8 text[]` metadata, `$9 bigint[]` reply targets,
 * `$10 bigint[]` times in milliseconds.
 */
export const INSERT_MESSAGES: Statement = {
  name: 'insert-messages',
  text: `
    WITH inserted AS (
      INSERT INTO message (chat_id, seq, version, sender_id, client_id, kind, text, metadata, reply_to, created_at)
      SELECT chat_id, seq, version, sender_id, client_id, kind, text, metadata::jsonb, reply_to, ${timestamp('created_ms')}
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
          $9::bigint[], $10::bigint[])
        AS x (chat_id, seq, version, sender_id, client_id, kind, text, metadata, reply_to, created_ms)
      RETURNING chat_id, seq, metadata)
    SELECT chat_id, seq, metadata::text AS metadata FROM inserted WHERE metadata IS NOT NULL`,
};

/**
 * Replaces the text or the metadata of messages, keeps the old content in `message_edit`, and gives back what the
 * messages have now. What an edit does not replace is not written: a person may be changing it at the same time.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs, `$3 bigint[]` versions, `$4 text[]` texts, null to keep
 * the text, `$5 bool[]` whether metadata is replaced, `$6 text[]` metadata, `$7 bigint[]` times in milliseconds.
 */
export const EDIT_MESSAGES: Statement = {
  name: 'edit-messages',
  text: `
    WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bool[], $6::text[], $7::bigint[])
        AS x (chat_id, seq, version, text, has_metadata, metadata, at_ms)
    ), kept AS (
      INSERT INTO message_edit (chat_id, seq, version, text, metadata, replaced_at)
      SELECT m.chat_id, m.seq, m.version, m.text, m.metadata, ${timestamp('i.at_ms')}
      FROM input i JOIN message m USING (chat_id, seq)
    ), edited AS (
      UPDATE message m SET version = i.version, text = coalesce(i.text, m.text), changed = true,
        metadata = CASE WHEN i.has_metadata THEN i.metadata::jsonb ELSE m.metadata END,
        edited_at = ${timestamp('i.at_ms')},
        content_digest = CASE WHEN m.client_id IS NOT NULL THEN
          coalesce(m.content_digest, scrollback_content_digest(m.kind, m.text, m.metadata, m.reply_to)) END
      FROM input i WHERE m.chat_id = i.chat_id AND m.seq = i.seq
      RETURNING m.chat_id, m.seq, m.text, m.metadata)
    SELECT chat_id, seq, text, metadata::text AS metadata FROM edited`,
};

/**
 * Turns messages into tombstones: text, metadata, edit history and reactions go.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs, `$3 bigint[]` versions, `$4 bigint[]` times in
 * milliseconds.
 */
export const DELETE_MESSAGES: Statement = {
  name: 'delete-messages',
  text: `
    WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS x (chat_id, seq, version, at_ms)
    ), forgotten AS (
      DELETE FROM message_edit e USING input i WHERE e.chat_id = i.chat_id AND e.seq = i.seq
    ), unreacted AS (
      DELETE FROM reaction r USING input i WHERE r.chat_id = i.chat_id AND r.seq = i.seq
    )
    UPDATE message m SET version = i.version, text = NULL, metadata = NULL, changed = true,
      deleted_at = ${timestamp('i.at_ms')},
      content_digest = CASE WHEN m.client_id IS NOT NULL THEN
        coalesce(m.content_digest, scrollback_content_digest(m.kind, m.text, m.metadata, m.reply_to)) END
    FROM input i WHERE m.chat_id = i.chat_id AND m.seq = i.seq`,
};

/**
 * Adds and removes reactions and raises the versions of their messages, to that of the last of a message's reactions.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs, `$3 text[]` users, `$4 text[]` emoji, `$5 bool[]`
 * whether it shall be there, `$6 bigint[]` versions.
 */
export const WRITE_REACTIONS: Statement = {
  name: 'write-reactions',
  text: `
    WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bool[], $6::bigint[])
        AS x (chat_id, seq, user_id, emoji, present, version)
    ), added AS (
      INSERT INTO reaction (chat_id, seq, user_id, emoji, created_at)
      SELECT chat_id, seq, user_id, emoji, clock_timestamp() FROM input WHERE present
      ON CONFLICT DO NOTHING
    ), removed AS (
      DELETE FROM reaction r USING input i
      WHERE NOT i.present AND r.chat_id = i.chat_id AND r.seq = i.seq AND r.user_id = i.user_id AND r.emoji = i.emoji
    )
    UPDATE message m SET version = i.version, changed = true
    FROM (SELECT chat_id, seq, max(version) AS version FROM input GROUP BY chat_id, seq) i
    WHERE m.chat_id = i.chat_id AND m.seq = i.seq`,
};

/**
 * Writes participants as decided, new or present. Of a present one only what joining and leaving changes: the role and
 * the time of joining are not touched by leaving, nor the latter by a change of role, nor the read marker by any.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users, `$3 text[]` roles, `$4 bigint[]` and `$5 bigint[]` times
 * of joining and leaving in milliseconds, `$6 bigint[]` read markers, `$7 bigint[]` versions.
 */
export const WRITE_PARTICIPANTS: Statement = {
  name: 'write-participants',
  text: `
    INSERT INTO participant (chat_id, user_id, role, joined_at, left_at, last_read_seq, version)
    SELECT chat_id, user_id, role, ${timestamp('joined_ms')}, ${timestamp('left_ms')}, last_read_seq, version
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
      AS x (chat_id, user_id, role, joined_ms, left_ms, last_read_seq, version)
    ON CONFLICT (chat_id, user_id) DO UPDATE SET left_at = excluded.left_at, version = excluded.version,
      role = CASE WHEN excluded.left_at IS NULL THEN excluded.role ELSE participant.role END,
      joined_at = CASE WHEN excluded.left_at IS NULL AND participant.left_at IS NOT NULL
        THEN excluded.joined_at ELSE participant.joined_at END`,
};

/**
 * Moves read markers, and writes nothing else: a person may be changing a role at the same time.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users, `$3 bigint[]` read markers, `$4 bigint[]` versions.
 */
export const MOVE_MARKERS: Statement = {
  name: 'move-markers',
  text: `
    UPDATE participant p SET last_read_seq = x.last_read_seq, version = x.version
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS x (chat_id, user_id, last_read_seq, version)
    WHERE p.chat_id = x.chat_id AND p.user_id = x.user_id`,
};

/**
 * Writes the title or the metadata of chats and gives back what they have now. What is not changed is not written: a
 * person may be changing it at the same time.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bool[]` whether the title is replaced, `$3 text[]` titles, `$4 text[]`
 * metadata, null to keep it, `$5 bigint[]` times in milliseconds.
 */
export const UPDATE_CHATS: Statement = {
  name: 'update-chats',
  text: `
    UPDATE chat c SET updated_at = ${timestamp('i.at_ms')},
      title = CASE WHEN i.has_title THEN i.title ELSE c.title END, metadata = coalesce(i.metadata::jsonb, c.metadata)
    FROM unnest($1::uuid[], $2::bool[], $3::text[], $4::text[], $5::bigint[])
      AS i (chat_id, has_title, title, metadata, at_ms)
    WHERE c.id = i.chat_id
    RETURNING c.id AS chat_id, c.title, c.metadata::text AS metadata`,
};

/** Marks chats as deleted. Parameter: `$1 uuid[]` ids. */
export const REMOVE_CHATS: Statement = {
  name: 'remove-chats',
  text: `UPDATE chat SET deleted_at = clock_timestamp() WHERE id = ANY ($1::uuid[])`,
};

/**
 * Moves the heads of chats to where the decided operations left them.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` last seqs, `$3 bigint[]` versions.
 */
export const MOVE_HEADS: Statement = {
  name: 'move-heads',
  text: `
    UPDATE chat_head h SET last_seq = x.last_seq, version = x.version, changed_xid = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS x (chat_id, last_seq, version)
    WHERE h.chat_id = x.chat_id AND h.chat_id = ANY ($1::uuid[])`,
};

/**
 * Creates a chat with its head and participants, all at version 1, unless the id is taken, whoever holds it.
 *
 * Parameters: `$1 uuid` id, `$2 text` kind, `$3 text` title, `$4 jsonb` metadata, `$5 text` creator, `$6 bytea` digest of
 * the request, `$7 text[]` users and `$8 text[]` roles.
 */
export const CREATE_CHAT: Statement = {
  name: 'create-chat',
  text: `
    WITH head AS (
      INSERT INTO chat_head (chat_id) VALUES ($1::uuid) ON CONFLICT DO NOTHING RETURNING chat_id, version
    ), created AS (
      INSERT INTO chat (id, kind, title, metadata, created_by, create_digest)
      SELECT chat_id, $2::text, $3::text, $4::jsonb, $5::text, $6::bytea FROM head
    ), joined AS (
      INSERT INTO participant (chat_id, user_id, role, version)
      SELECT h.chat_id, x.user_id, x.role, h.version FROM head h, unnest($7::text[], $8::text[]) AS x (user_id, role)
    )
    SELECT version FROM head`,
};

/** Tells whether a chat was created by this request. Parameters: `$1 uuid` id, `$2 bytea` digest of the request. */
export const LOOK_UP_CREATION: Statement = {
  name: 'look-up-creation',
  text: `
    SELECT h.version, (c.deleted_at IS NULL AND c.create_digest = $2::bytea) IS TRUE AS same_content
    FROM chat_head h LEFT JOIN chat c ON c.id = h.chat_id
    WHERE h.chat_id = $1::uuid`,
};
