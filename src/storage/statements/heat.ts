import type { Statement } from '../database.js';

/** Replaces the saved heat. Parameters, hottest first: `$1 uuid[]` chats, `$2 bigint[]` versions. */
export const SAVE_HEAT: Statement = {
  name: 'save-heat',
  text: `
    WITH input AS (
      SELECT x.chat_id, x.version, (x.rank - 1)::int AS rank
      FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS x (chat_id, version, rank)
    ), cooled AS (
      DELETE FROM cache_heat h WHERE NOT EXISTS (SELECT FROM input i WHERE i.chat_id = h.chat_id)
    )
    INSERT INTO cache_heat (chat_id, rank, version)
    SELECT chat_id, rank, version FROM input
    ON CONFLICT (chat_id) DO UPDATE SET rank = excluded.rank, version = excluded.version, saved_at = now()`,
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
