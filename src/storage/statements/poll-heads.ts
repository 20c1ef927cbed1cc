import type { Statement } from '../database.js';

/** A look that takes longer is given up, so that a connection that says nothing any more does not end all looks. */
const POLL_TIMEOUT_MS = 5000;

/**
 * SQL for the identity of the database's history: versions are comparable only within one. The cluster, its timeline (a new one after
 * every recovery to a point in time and every promotion), the table of heads in its present file (a new one when the database or
 * the table was made anew, or emptied by TRUNCATE; a partitioned one has a file for each partition and none of its own), and the triggers as
 * they were made last, switched on or off. A restore fills one table after the other, and each is seen as soon as it is filled; the triggers are
 * what it makes last. And what was written while they were off, they could not follow.
 */
const EPOCH = `(SELECT c.system_identifier::text FROM pg_control_system() c)
        || '.' || CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END
        || '.' || coalesce(pg_relation_filenode('chat_head')::text,
             (SELECT string_agg(pg_relation_filenode(t.relid)::text, '+' ORDER BY t.relid)
                FROM pg_partition_tree('chat_head') t WHERE t.isleaf))
        || '.' || left(md5((SELECT string_agg(concat_ws(' ', t.oid, t.xmin, t.tgenabled), ',' ORDER BY t.oid) FROM pg_trigger t
             WHERE t.tgrelid = ANY (ARRAY['chat', 'chat_head', 'participant', 'message', 'reaction']::regclass[]))), 8)`;

/**
 * SQL for the run of the server. A crash takes back commits that did not wait for the disk, and their versions and the ids of transactions are
 * given out again: horizons, and the content of a version, are of one run. It is told by when the server was started; and, as it recovers from the crash of one of its
 * processes without being started, by where its log ended when it last recovered (NULL when it had not to). Each recovery writes a
 * checkpoint behind that place before it lets anybody in, so the next one ends later. On a standby the place moves on with what is replayed.
 * Every role may ask for both, and they come from memory.
 */
const RUN = `extract(epoch FROM pg_postmaster_start_time()) || '.' || coalesce(pg_last_wal_replay_lsn()::text, '')`;

/**
 * SQL for the span of 256 transactions that one falls into, as the column `changed_span` has it: what heads are found by. (Wider spans and each look goes
 * through more heads that it has seen; narrower ones and a chat that is written often enters a new one, and its two indexes, more often.)
 */
function spanOf(xid: string): string {
  return `((${xid}::text::bigint) >> 8)`;
}

const HORIZON = `pg_snapshot_xmin(pg_current_snapshot())::text`;

const HEADS = `
    FROM (SELECT ${HORIZON} AS horizon, ${EPOCH} AS epoch, ${RUN} AS run) s`;

/**
 * Reads which chats have changed since the last look, in a way that no commit can slip through, oldest changes first.
 *
 * Parameters: `$1 xid8` horizon of the last look, `NULL` at the first; `$2 int` how many rows at most.
 *
 * @remarks The next horizon is the oldest transaction that is open in this statement's own snapshot. What was still open
 * in one look has its id at or above that look's horizon and is seen by a later one. (Remembering the highest id or
 * version seen would lose transactions that commit later than a younger one.) Rows may come twice; versions make that
 * harmless. Where no transaction has begun since the last look, the table is not looked into: an import may have put most of it into the present span.
 * There is always one row, with `chat_id` null when nothing has changed. Where there are more rows, the horizon of the
 * first page counts: what changes between two pages is at or above it.
 */
export const POLL_HEADS: Statement = {
  name: 'poll-heads',
  timeoutMs: POLL_TIMEOUT_MS,
  text: `
    SELECT s.horizon, s.epoch, s.run, h.chat_id, h.version, h.changed_span${HEADS}
      LEFT JOIN LATERAL (SELECT * FROM chat_head h
        WHERE $1::xid8 < pg_snapshot_xmax(pg_current_snapshot())
          AND h.changed_span >= ${spanOf('$1::xid8')} AND h.changed_xid >= $1::xid8
        ORDER BY h.changed_span, h.chat_id LIMIT $2::int) h ON true`,
};

/** Reads the next rows of a look: parameters as of {@link POLL_HEADS}, and `$3 bigint` and `$4 uuid` of the last row. */
export const POLL_MORE_HEADS: Statement = {
  name: 'poll-more-heads',
  timeoutMs: POLL_TIMEOUT_MS,
  text: `
    SELECT s.horizon, s.epoch, s.run, h.chat_id, h.version, h.changed_span${HEADS}
      LEFT JOIN LATERAL (SELECT * FROM chat_head h
        WHERE (h.changed_span, h.chat_id) > ($3::bigint, $4::uuid) AND h.changed_xid >= $1::xid8
        ORDER BY h.changed_span, h.chat_id LIMIT $2::int) h ON true`,
};

/** Reads the versions of chats. Parameter: `$1 uuid[]` chat ids. There is always a row, with `chat_id` null where no chat is there. */
export const FIND_VERSIONS: Statement = {
  name: 'find-versions',
  timeoutMs: POLL_TIMEOUT_MS,
  text: `
    SELECT s.epoch, s.run, h.chat_id, h.version${HEADS}
      LEFT JOIN chat_head h ON h.chat_id = ANY ($1::uuid[])`,
};

/**
 * Gives heads that name a transaction of the future one of the present. A dump that was taken from another cluster brings such heads
 * along: every look would find them changed, for ever.
 */
export const SETTLE_HEADS: Statement = {
  name: 'settle-heads',
  text: `
    UPDATE chat_head SET changed_xid = pg_current_xact_id()
    WHERE changed_span >= ${spanOf('pg_snapshot_xmax(pg_current_snapshot())')}
      AND changed_xid >= pg_snapshot_xmax(pg_current_snapshot())`,
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

/** Tells which chats users are in, and their versions. Parameter: `$1 text[]` user ids. */
export const FIND_CHATS_OF: Statement = {
  name: 'find-chats-of',
  text: `
    SELECT p.chat_id, p.user_id, h.version
    FROM participant p JOIN chat c ON c.id = p.chat_id AND c.deleted_at IS NULL JOIN chat_head h ON h.chat_id = p.chat_id
    WHERE p.user_id = ANY ($1::text[]) AND p.left_at IS NULL`,
};
