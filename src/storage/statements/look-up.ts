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
 * Finds the messages that already hold the client ids of sends, and whether their first content equals the send's.
 *
 * Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` senders, `$3 text[]` client ids, `$4 text[]` kinds,
 * `$5 text[]` texts, `$6 text[]` metadata, `$7 bigint[]` reply targets.
 */
export const LOOK_UP_CLIENT_IDS: Statement = {
  name: 'look-up-client-ids',
  text: `
    SELECT m.chat_id, m.sender_id, m.client_id, ${messageArray('m')} AS message,
      (SELECT json_agg(${reactionArray('r')} ORDER BY r.created_at, r.user_id, r.emoji)
         FROM reaction r WHERE r.chat_id = m.chat_id AND r.seq = m.seq) AS reactions,
      coalesce(m.content_digest, scrollback_content_digest(m.kind, m.text, m.metadata, m.reply_to))
        = scrollback_content_digest(k.kind, k.text, k.metadata::jsonb, k.reply_to) AS same_content
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        AS k (chat_id, sender_id, client_id, kind, text, metadata, reply_to)
      JOIN message m USING (chat_id, sender_id, client_id)`,
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
