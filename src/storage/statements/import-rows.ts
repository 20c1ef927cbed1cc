import type { Statement } from '../database.js';

/** Keeps users' names. Parameters, row by row: `$1 text[]` ids, `$2 text[]` names, `$3 text[]` metadata. */
export const IMPORT_USERS: Statement = {
  name: 'import-users',
  text: `
    INSERT INTO user_profile (user_id, name, metadata)
    SELECT user_id, name, metadata::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[]) AS x (user_id, name, metadata)
    ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, metadata = excluded.metadata
    WHERE (user_profile.name, user_profile.metadata) IS DISTINCT FROM (excluded.name, excluded.metadata)`,
};

/**
 * Creates the chats that are not there yet, and tells which.
 *
 * Parameters, row by row: `$1 uuid[]` ids, `$2 text[]` kinds, `$3 text[]` titles, `$4 text[]` metadata, `$5 text[]`
 * creators, `$6 bigint[]` and `$7 bigint[]` times of creation and last update in milliseconds.
 */
export const IMPORT_CHATS: Statement = {
  name: 'import-chats',
  text: `
    WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
        AS x (id, kind, title, metadata, created_by, created_ms, updated_ms)
    ), heads AS (
      INSERT INTO chat_head (chat_id) SELECT id FROM input ORDER BY id ON CONFLICT DO NOTHING RETURNING chat_id
    )
    INSERT INTO chat (id, kind, title, metadata, created_by, created_at, updated_at)
    SELECT i.id, i.kind, i.title, i.metadata::jsonb, i.created_by, to_timestamp(i.created_ms / 1000.0),
      to_timestamp(i.updated_ms / 1000.0)
    FROM heads h JOIN input i ON i.id = h.chat_id
    RETURNING id`,
};

/**
 * Puts the people who wrote into their chats. Who is there stays as they are, but their own messages count as read.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users, `$3 bigint[]` times of the first message in
 * milliseconds, `$4 bigint[]` seqs of their last message, `$5 bigint[]` versions.
 */
export const IMPORT_WRITERS: Statement = {
  name: 'import-writers',
  text: `
    INSERT INTO participant AS p (chat_id, user_id, joined_at, last_read_seq, version)
    SELECT chat_id, user_id, to_timestamp(joined_ms / 1000.0), last_seq, version
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
      AS x (chat_id, user_id, joined_ms, last_seq, version)
    ON CONFLICT (chat_id, user_id) DO UPDATE SET last_read_seq = excluded.last_read_seq, version = excluded.version
    WHERE p.last_read_seq < excluded.last_read_seq`,
};

/**
 * Takes messages whose seq and version are decided, as they are: also edited or deleted ones.
 *
 * @remarks COPY, because the server reads its rows in half the time that the same rows take as arrays.
 */
export const IMPORT_MESSAGES: Statement = {
  name: 'import-messages',
  text: `
    COPY message (chat_id, seq, version, sender_id, client_id, kind, text, metadata, reply_to, created_at, edited_at,
      deleted_at) FROM STDIN`,
};

/** Writes reactions. Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs, `$3 text[]` users, `$4 text[]` emoji, `$5 bigint[]` times in milliseconds. */
export const IMPORT_REACTIONS: Statement = {
  name: 'import-reactions',
  text: `
    INSERT INTO reaction (chat_id, seq, user_id, emoji, created_at)
    SELECT chat_id, seq, user_id, emoji, to_timestamp(at_ms / 1000.0)
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
      AS x (chat_id, seq, user_id, emoji, at_ms)
    ON CONFLICT DO NOTHING`,
};

/** Tells who wrote messages and when. Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs. */
export const IDENTIFY_MESSAGES: Statement = {
  name: 'identify-messages',
  text: `
    SELECT m.chat_id, m.seq, m.sender_id, (extract(epoch FROM m.created_at) * 1000)::bigint AS created_ms
    FROM unnest($1::uuid[], $2::bigint[]) AS x (chat_id, seq) JOIN message m USING (chat_id, seq)`,
};

/** Tells which client ids are taken. Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` senders, `$3 text[]` client ids. */
export const FIND_CLIENT_IDS: Statement = {
  name: 'find-client-ids',
  text: `
    SELECT m.chat_id, m.sender_id, m.client_id
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS x (chat_id, sender_id, client_id)
      JOIN message m USING (chat_id, sender_id, client_id)`,
};

/**
 * Makes the lines of chats end where they ended before their last messages were purged. Those that reach so far are left as they are.
 *
 * Parameters, row by row: `$1 uuid[]` chats whose heads the transaction has locked, `$2 bigint[]` last seqs.
 *
 * @remarks The version moves as far as the line does, as if what is missing had been sent: changes find new messages by that.
 */
export const EXTEND_LINES: Statement = {
  name: 'extend-lines',
  text: `
    UPDATE chat_head h SET last_seq = x.last_seq, version = h.version + x.last_seq - h.last_seq,
      changed_xid = pg_current_xact_id()
    FROM unnest($1::uuid[], $2::bigint[]) AS x (chat_id, last_seq)
    WHERE h.chat_id = x.chat_id AND h.last_seq < x.last_seq`,
};

/**
 * Tells whoever has a version of a chat from before messages were put into its holes to load it anew. Parameters, row by row: `$1 uuid[]` chats
 * whose heads the transaction has locked, `$2 bigint[]` versions of those messages.
 */
export const RESET_HEADS: Statement = {
  name: 'reset-heads',
  text: `
    UPDATE chat_head h SET reset_version = x.version FROM unnest($1::uuid[], $2::bigint[]) AS x (chat_id, version)
    WHERE h.chat_id = x.chat_id`,
};

/**
 * Tells of which chats, all of them reset, an import has filled holes and nothing was deleted for good. Parameter: `$1 uuid[]` chats.
 *
 * @remarks What fills holes has the version to which it resets. To a deletion's no message belongs; and once one is known, nothing is filled in
 * any more. A message that was filled in and then edited looks like a deletion: an error on the safe side.
 */
export const FIND_FILLED: Statement = {
  name: 'find-filled',
  text: `
    SELECT h.chat_id FROM chat_head h
    WHERE h.chat_id = ANY ($1::uuid[])
      AND EXISTS (SELECT FROM message m WHERE m.chat_id = h.chat_id AND m.version = h.reset_version)`,
};

/**
 * Gives chats of an unknown time the time of their first message, if that is older than what they have. Parameter: `$1 uuid[]` chats whose heads
 * the transaction has locked.
 */
export const DATE_CHATS: Statement = {
  name: 'date-chats',
  text: `
    WITH dated AS (
      UPDATE chat c SET created_at = f.created_at,
        updated_at = CASE WHEN c.updated_at = c.created_at THEN f.created_at ELSE c.updated_at END
      FROM unnest($1::uuid[]) AS x (chat_id)
        CROSS JOIN LATERAL (SELECT m.created_at FROM message m WHERE m.chat_id = x.chat_id ORDER BY m.seq LIMIT 1) f
      WHERE c.id = x.chat_id AND f.created_at < c.created_at
      RETURNING c.id
    )
    UPDATE chat_head h SET version = h.version + 1, changed_xid = pg_current_xact_id() FROM dated d
    WHERE h.chat_id = d.id`,
};

/** Lets the server count its tables now: until it does so by itself, its plans for millions of new rows are those for none. */
export const ANALYZE_TABLES: Statement = {
  name: 'analyze-tables',
  text: 'ANALYZE chat, chat_head, participant, message, reaction',
};
