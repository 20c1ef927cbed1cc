import type { Statement } from '../database.js';

/** A look that takes longer is given up, so that a connection that says nothing any more does not end all looks. */
const POLL_TIMEOUT_MS = 5000;

/**
 * Reads which chats have changed since the last look, in a way that no commit can slip through.
 *
 * Parameter: `$1 xid8` horizon of the last look, `NULL` at the first.
 *
 * @remarks The next horizon is the oldest transaction that is open in this statement's own snapshot. What was still open
 * in one look has its id at or above that look's horizon and is seen by a later one. (Remembering the highest id or
 * version seen would lose transactions that commit later than a younger one.) Rows may come twice; versions make that
 * harmless. There is always one row, with `chat_id` null when nothing has changed.
 */
export const POLL_HEADS: Statement = {
  name: 'poll-heads',
  timeoutMs: POLL_TIMEOUT_MS,
  text: `
    SELECT s.horizon, h.chat_id, h.version
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon) s
      LEFT JOIN chat_head h ON h.changed_xid >= $1::xid8`,
};

/**
 * Tells which of some users are in which of some chats.
 *
 * Parameters: `$1 uuid[]` chat ids; `$2 text[]` user ids.
 */
export const FIND_MEMBERSHIPS: Statement = {
  name: 'find-memberships',
  timeoutMs: POLL_TIMEOUT_MS,
  text: `
    SELECT p.chat_id, p.user_id
    FROM participant p
    WHERE p.chat_id = ANY ($1::uuid[]) AND p.user_id = ANY ($2::text[]) AND p.left_at IS NULL`,
};
