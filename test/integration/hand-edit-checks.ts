import { expect } from '@jest/globals';
import type { TestDatabase } from '../support/test-database.js';

/** A chat's head as numbers. */
export interface Head {
  readonly lastSeq: number;
  readonly version: number;
  readonly resetVersion: number;
}

/** A message's row as far as versions and places go. */
export interface Place {
  readonly seq: number;
  readonly version: number;
  readonly changed: boolean;
}

/**
 * Rows that break what holds after every transaction, whoever wrote: a chat has a head; seqs run from 1 to `last_seq`; no row is ahead of
 * its head; every change since the last reset has a version of its own, and those of unchanged messages can be found by seq.
 */
const FAULTS = `
  WITH step AS (
    SELECT chat_id, version FROM message UNION ALL SELECT chat_id, version FROM participant
  )
  SELECT 'no head' AS fault, c.id AS chat_id, NULL::bigint AS number FROM chat c WHERE NOT EXISTS (SELECT FROM chat_head h WHERE h.chat_id = c.id)
  UNION ALL
  SELECT 'seq', h.chat_id, m.seq FROM chat_head h JOIN message m USING (chat_id) WHERE m.seq NOT BETWEEN 1 AND h.last_seq
  UNION ALL
  SELECT 'ahead', h.chat_id, s.version FROM chat_head h JOIN step s USING (chat_id) WHERE s.version > h.version
  UNION ALL
  SELECT 'reset', h.chat_id, h.reset_version FROM chat_head h WHERE h.reset_version > h.version
  UNION ALL
  SELECT 'twice', h.chat_id, s.version FROM chat_head h JOIN step s USING (chat_id)
  WHERE s.version > greatest(h.reset_version, 1) GROUP BY h.chat_id, s.version HAVING count(*) > 1
  UNION ALL
  SELECT 'not found by seq', h.chat_id, m.seq FROM chat_head h JOIN message m USING (chat_id)
  WHERE NOT m.changed AND m.version > h.reset_version AND m.seq <= h.last_seq - (h.version - m.version + 1)`;

/** Checks what holds after every transaction. */
export async function expectSound(database: TestDatabase): Promise<void> {
  expect(await database.query(FAULTS)).toEqual([]);
}

/** Reads a chat's head. */
export async function readHead(database: TestDatabase, chatId: string): Promise<Head> {
  const [row] = await database.query<{ last_seq: string; version: string; reset_version: string }>(
    'SELECT last_seq, version, reset_version FROM chat_head WHERE chat_id = $1',
    [chatId],
  );
  return {
    lastSeq: Number(row!.last_seq),
    version: Number(row!.version),
    resetVersion: Number(row!.reset_version),
  };
}

/** Reads where a chat's messages stand. */
export async function readPlaces(database: TestDatabase, chatId: string): Promise<Place[]> {
  const rows = await database.query<{ seq: string; version: string; changed: boolean }>(
    'SELECT seq, version, changed FROM message WHERE chat_id = $1 ORDER BY seq',
    [chatId],
  );
  return rows.map(({ seq, version, changed }) => ({ seq: Number(seq), version: Number(version), changed }));
}

/** Makes a chat by hand, with some messages. @returns its id; its head is at version `1 + texts.length`. */
export async function insertChat(database: TestDatabase, texts: readonly string[] = []): Promise<string> {
  const [chat] = await database.query<{ id: string }>(
    `INSERT INTO chat (kind, title, created_by) VALUES ('group', 'By hand', 'ann') RETURNING id`,
  );
  if (texts.length > 0) {
    await database.query(`INSERT INTO message (chat_id, sender_id, text) SELECT $1, 'ann', unnest($2::text[])`, [
      chat!.id,
      texts,
    ]);
  }
  return chat!.id;
}
