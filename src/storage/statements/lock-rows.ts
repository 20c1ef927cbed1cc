import type { Statement } from '../database.js';

/**
 * The locks that writing takes on rows which are there, for a transaction that holds the heads of their chats already and passes over what
 * somebody else has locked. What is not in the answer is not to be had at present.
 *
 * @remarks `NO KEY`: no key is written, so who only holds a key in place (`FOR KEY SHARE`) is not in the way.
 */

/** Locks messages. Parameters, row by row: `$1 uuid[]` chats, `$2 bigint[]` seqs. */
export const LOCK_FREE_MESSAGES: Statement = {
  name: 'lock-free-messages',
  text: `
    SELECT m.chat_id
    FROM unnest($1::uuid[], $2::bigint[]) AS k (chat_id, seq) JOIN message m USING (chat_id, seq)
    FOR NO KEY UPDATE OF m SKIP LOCKED`,
};

/** Locks participants. Parameters, row by row: `$1 uuid[]` chats, `$2 text[]` users. */
export const LOCK_FREE_PARTICIPANTS: Statement = {
  name: 'lock-free-participants',
  text: `
    SELECT p.chat_id
    FROM unnest($1::uuid[], $2::text[]) AS k (chat_id, user_id) JOIN participant p USING (chat_id, user_id)
    FOR NO KEY UPDATE OF p SKIP LOCKED`,
};

/** Locks the chats' own rows. Parameter: `$1 uuid[]` chat ids. */
export const LOCK_FREE_CHATS: Statement = {
  name: 'lock-free-chats',
  text: `SELECT c.id AS chat_id FROM chat c WHERE c.id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED`,
};
