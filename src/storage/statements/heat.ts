import type { Statement } from '../database.js';

/**
 * Saves heat over what was saved of the same chats. Parameters, hottest first: `$1 uuid[]` chats, `$2 bigint[]` versions.
 *
 * @remarks Instances that save at once lock the rows they share in the order of their keys, and so wait for each other in one
 * direction only.
 */
export const SAVE_HEAT: Statement = {
  name: 'save-heat',
  text: `
    INSERT INTO cache_heat (chat_id, rank, version)
    SELECT x.chat_id, (x.rank - 1)::int, x.version
    FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS x (chat_id, version, rank)
    ORDER BY x.chat_id
    ON CONFLICT (chat_id) DO UPDATE SET rank = excluded.rank, version = excluded.version, saved_at = now()`,
};

/**
 * Forgets heat that nobody has saved again. Parameter: `$1 int` for how many milliseconds.
 *
 * @remarks Waits for nobody: a row that is locked is being saved.
 */
export const FORGET_HEAT: Statement = {
  name: 'forget-heat',
  text: `
    DELETE FROM cache_heat
    WHERE chat_id IN (SELECT c.chat_id FROM cache_heat c
                      WHERE c.saved_at < now() - $1::int * interval '1 millisecond' FOR UPDATE SKIP LOCKED)`,
};

/** Names the chats to warm first. Parameter: `$1 int` how many at most. */
export const LOAD_HOTTEST: Statement = {
  name: 'load-hottest',
  text: `
    SELECT h.chat_id
    FROM chat_head h LEFT JOIN cache_heat c ON c.chat_id = h.chat_id
    ORDER BY c.rank NULLS LAST, h.changed_xid DESC
    LIMIT $1::int`,
};
