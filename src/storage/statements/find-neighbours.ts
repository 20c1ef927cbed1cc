import type { Statement } from '../database.js';

/**
 * Finds the messages next to a run of seqs that have none.
 *
 * Parameters: `$1 uuid` chat id; `$2 bigint`, `$3 bigint` first and last seq of the run.
 */
export const FIND_NEIGHBOURS: Statement = {
  name: 'find-neighbours',
  text: `
    SELECT
      (SELECT m.seq FROM message m WHERE m.chat_id = $1::uuid AND m.seq < $2::bigint ORDER BY m.seq DESC LIMIT 1) AS older,
      (SELECT m.seq FROM message m WHERE m.chat_id = $1::uuid AND m.seq > $3::bigint ORDER BY m.seq LIMIT 1) AS newer`,
};
