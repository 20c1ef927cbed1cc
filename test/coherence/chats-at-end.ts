import type { WireChat, WirePage } from '../../src/cache/wire-types.js';
import type { Answers } from '../faults/answers-check.js';
import type { DurableDatabase } from '../faults/durable-database.js';
import { jsonOf } from '../faults/http-line.js';
import type { ChatAtEnd } from '../history/history.js';

interface Row {
  readonly seq: number;
  readonly version: number;
  readonly sender_id: string;
  readonly client_id: string | null;
  readonly text: string | null;
  readonly is_deleted: boolean;
}

const ROWS = `SELECT seq::float8 AS seq, version::float8 AS version, sender_id, client_id, text, deleted_at IS NOT NULL AS is_deleted
  FROM message WHERE chat_id = $1 ORDER BY seq`;

/** Reads a chat from the tables, and what its messages are on the wire from the answers of an instance without a cache. */
export async function readChatAtEnd(database: DurableDatabase, chatId: string, answers: Answers): Promise<ChatAtEnd> {
  const rows = await database.query<Row>(ROWS, [chatId]);
  const heads = await database.query<{ version: number; last_seq: number }>(
    'SELECT version::float8 AS version, last_seq::float8 AS last_seq FROM chat_head WHERE chat_id = $1',
    [chatId],
  );
  const { version, last_seq: lastSeq } = heads[0]!;
  const versions = new Map(rows.map((row) => [row.seq, row.version]));
  const path = `GET /v1/chats/${chatId}`;
  const facts = new Map([['chat', { version, value: JSON.stringify(jsonOf<WireChat>(answers.get(path)!)) }]]);
  for (const [question, answer] of answers) {
    if (!question.startsWith(`${path}/messages?limit=200`)) continue;
    for (const message of jsonOf<WirePage>(answer).items) {
      facts.set(`message ${message.seq}`, { version: versions.get(message.seq)!, value: JSON.stringify(message) });
    }
  }
  return {
    chatId,
    version,
    lastSeq,
    facts,
    rows: rows.map((row) => ({
      seq: row.seq,
      version: row.version,
      senderId: row.sender_id,
      clientId: row.client_id ?? undefined,
      text: row.is_deleted ? undefined : (row.text ?? undefined),
    })),
  };
}
