import type { Statement } from '../database.js';

const SELECT_HEADS = `
    SELECT h.chat_id, h.last_seq, h.version, h.reset_version,
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
    FROM chat_head h
    WHERE h.chat_id = ANY ($1::uuid[])
    ORDER BY h.chat_id`;

/**
 * Locks the heads of chats, in the order of their ids so that two batches cannot wait for each other, and tells the
 * database's time.
 *
 * Parameter: `$1 uuid[]` chat ids.
 *
 * @remarks Reads nothing but the locked rows: a statement that waits for a lock sees everything else as it was before
 * it waited. What else is needed is read by later statements, which see all that was committed before the lock.
 */
export const LOCK_HEADS: Statement = {
  name: 'lock-heads',
  text: `${SELECT_HEADS} FOR UPDATE`,
};

/**
 * Has the transaction, from here on, wait for a lock for less than the second (`deadlock_timeout`) after which the server looks for
 * deadlocks: who holds a row that it wants, and wants the head that it holds, gets the head instead of an error.
 */
export const LIMIT_ROW_WAIT: Statement = {
  name: 'limit-row-wait',
  text: `SET LOCAL lock_timeout = '500ms'`,
};

/** Tells which of some chats have a head. Parameter: `$1 uuid[]` chat ids. */
export const FIND_HEADS: Statement = {
  name: 'find-heads',
  text: `SELECT h.chat_id FROM chat_head h WHERE h.chat_id = ANY ($1::uuid[])`,
};

/** The same as {@link LOCK_HEADS}, passing over heads that somebody else holds locked. */
export const LOCK_FREE_HEADS: Statement = {
  name: 'lock-free-heads',
  text: `${SELECT_HEADS} FOR UPDATE SKIP LOCKED`,
};
