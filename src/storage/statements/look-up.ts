import type { Statement } from '../database.js';
import { chatColumns, messageArray, milliseconds, reactionArray } from './fragments.js';

/** Reads chats that are not deleted. Parameter: `$1 uuid[]` chat ids. */
export const LOOK_UP_CHATS: Statement = {
  name: 'look-up-chats',
  text: `
    SELECT c.id, ${chatColumns('c')}
    FROM chat c
    WHERE c.id = ANY ($1::uuid[]) AND c.deleted_at IS NULL`,
};

/** Reads messages by their place. Parameters: `$1 uuid[]` chat ids, `$2 bigint[]` seqs, row by row. */
export const LOOK_UP_MESSAGES: Statement = {
  name: 'look-up-messages',
  text: `
    SELECT m.chat_id, ${messageArray('m')} AS message,
      (SELECT json_agg(${reactionArray('r')} ORDER BY r.created_at, r.user_id, r.emoji)
         FROM reaction r WHERE r.chat_id = m.chat_id AND r.seq = m.seq) AS reactions
    FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::bigint[]) AS x (chat_id, seq)) k
      JOIN message m USING (chat_id, seq)`,
};

/**
 * Finds the messages that already hold the client ids of sends.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` senders, `$3 text[]` client ids.
 */
export const LOOK_UP_CLIENT_IDS: Statement = {
  name: 'look-up-client-ids',
  text: `
    SELECT m.chat_id, m.sender_id, m.client_id, ${messageArray('m')} AS message,
      (SELECT json_agg(${reactionArray('r')} ORDER BY r.created_at, r.user_id, r.emoji)
         FROM reaction r WHERE r.chat_id = m.chat_id AND r.seq = m.seq) AS reactions
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (chat_id, sender_id, client_id)
      JOIN message m USING (chat_id, sender_id, client_id)`,
};

/**
 * Tells whether messages had, when they were sent, the content of sends that repeat their client ids.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs of the messages, `$3 text[]` kinds, `$4 text[]` texts, `$5 text[]` metadata,
 * `$6 bigint[]` reply targets of the sends.
 *
 * @remarks Asked only where a client id was found: no other send's text goes to the server twice.
 */
export const COMPARE_CONTENTS: Statement = {
  name: 'compare-contents',
  text: `
    SELECT m.chat_id, m.seq,
      coalesce(m.content_digest, scrollback_content_digest(m.kind, m.text, m.metadata, m.reply_to))
        = scrollback_content_digest(k.kind, k.text, k.metadata::jsonb, k.reply_to) AS same_content
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
        AS k (chat_id, seq, kind, text, metadata, reply_to)
      JOIN message m USING (chat_id, seq)`,
};

/** Reads participants, present or gone. Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users. */
export const LOOK_UP_PARTICIPANTS: Statement = {
  name: 'look-up-participants',
  text: `
    SELECT p.chat_id, json_build_array(p.user_id, p.role, ${milliseconds('p.joined_at')}, p.last_read_seq, p.version,
      ${milliseconds('p.left_at')}) AS participant
    FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[]) AS x (chat_id, user_id)) k
      JOIN participant p USING (chat_id, user_id)`,
};

/** Counts the active participants and owners of chats. Parameter: `$1 uuid[]` chat ids. */
export const COUNT_PARTICIPANTS: Statement = {
  name: 'count-participants',
  text: `
    SELECT p.chat_id, count(*) FILTER (WHERE p.left_at IS NULL)::int AS participants,
      count(*) FILTER (WHERE p.left_at IS NULL AND p.role = 'owner')::int AS owners
    FROM participant p
    WHERE p.chat_id = ANY ($1::uuid[])
    GROUP BY p.chat_id`,
};

/** Tells which emoji users have on messages. Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs, `$3 text[]` users, `$4 text[]` emoji. */
export const LOOK_UP_REACTIONS: Statement = {
  name: 'look-up-reactions',
  text: `
    SELECT r.chat_id, r.seq, r.user_id, r.emoji
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS k (chat_id, seq, user_id, emoji)
      JOIN reaction r USING (chat_id, seq, user_id, emoji)`,
};
