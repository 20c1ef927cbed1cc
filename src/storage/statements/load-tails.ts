import type { Statement } from '../database.js';
import { reactionArray, wholeChatColumns } from './fragments.js';

/**
 * Says which chats {@link COPY_TAILS} of the same transaction reads: COPY itself takes no parameters. Goes first.
 *
 * Parameters: `$1 text` chat ids, comma-separated; `$2 int` how many of the newest messages are wanted at least, 1 or more;
 * `$3 int` messages per block: what is read starts at a block's first message.
 *
 * @remarks A plan that gathers from several workers would mix the chats' rows, so there are none. One that keeps what it has read in
 * case a chat comes again would keep every message. Right after an import the server knows nothing of its tables, and would
 * look through all participants for every chat.
 */
export const SET_TAILS: Statement = {
  name: 'set-tails',
  text: `
    SELECT set_config('scrollback.tail_chats', $1::text, true), set_config('scrollback.tail_messages', $2::int::text, true),
      set_config('scrollback.tail_block', $3::int::text, true), set_config('max_parallel_workers_per_gather', '0', true),
      set_config('enable_memoize', 'off', true), set_config('enable_seqscan', 'off', true)`,
};

/** SQL for the seq behind which the tail begins. */
function afterSeq(lastSeq: string, tail: string, block: string): string {
  return `greatest(${lastSeq} - ${tail}, 0) / ${block} * ${block}`;
}

/**
 * Reads what {@link COPY_TAILS} does not: the chats, with their heads, active participants and the reactions to the messages
 * of their tails. Parameters: `$1 uuid[]`, `$2 int`, `$3 int` as there.
 *
 * @remarks A chat that never existed has no row; one that was deleted has a row with `present` false.
 */
export const LOAD_TAIL_CHATS: Statement = {
  name: 'load-tail-chats',
  text: `
    SELECT ${wholeChatColumns()},
      (SELECT json_agg(${reactionArray('r')})
         FROM (SELECT * FROM reaction x
               WHERE x.chat_id = h.chat_id AND x.seq > ${afterSeq('h.last_seq', '$2::int', '$3::int')}
               ORDER BY x.seq, x.created_at, x.user_id, x.emoji) r) AS reactions
    FROM chat_head h
      LEFT JOIN chat c ON c.id = h.chat_id
    WHERE h.chat_id = ANY ($1::uuid[])`,
};

/**
 * Sends the messages of the chats' tails in the binary format, in the columns that `MessageRow` takes apart: those of one chat
 * one after the other, ascending by seq. The chats come in any order.
 *
 * @remarks LIMIT and the inner ORDER BY keep the planner from joining whole tables: each chat is a look-up of its head and one
 * index scan of its messages, however few chats there are.
 */
export const COPY_TAILS: Statement = {
  name: 'copy-tails',
  text: `
    COPY (
      SELECT w.chat, m.*
      FROM (SELECT (x.position - 1)::int AS chat, h.chat_id, h.last_seq,
              ${afterSeq('h.last_seq', `current_setting('scrollback.tail_messages')::int`, `current_setting('scrollback.tail_block')::int`)} AS after_seq
            FROM unnest(string_to_array(current_setting('scrollback.tail_chats'), ',')::uuid[])
                WITH ORDINALITY AS x (chat_id, position)
              CROSS JOIN LATERAL (SELECT * FROM chat_head h WHERE h.chat_id = x.chat_id LIMIT 1) h) w
        CROSS JOIN LATERAL (
          SELECT m.seq, m.created_at, m.sender_id, m.text, m.client_id, m.kind = 'system' AS is_system,
            nullif(m.metadata, '{}')::text AS metadata, m.reply_to, m.edited_at, m.deleted_at
          FROM message m
          WHERE m.chat_id = w.chat_id AND m.seq > w.after_seq AND m.seq <= w.last_seq
          ORDER BY m.seq) m
    ) TO STDOUT (FORMAT binary)`,
};
