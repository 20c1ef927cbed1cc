import type { QueryResultRow } from 'pg';
import { compactJson } from './compact-json.js';
import type { Statement, Transaction } from './database.js';
import { EXPORT_CHATS, EXPORT_MESSAGES, EXPORT_USERS } from './statements/export-rows.js';
import {
  readChat,
  readParticipant,
  type ChatColumns,
  type MessageArray,
  type ParticipantArray,
} from './statements/read-rows.js';
import type { ChatLine, MessageLine, UserLine } from './transfer-records.js';

/** Rows read by one statement. */
const PAGE_ROWS = 5000;

/** Lower than every other id. */
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/**
 * Reads everything, in the order of the keys, a page at a time.
 *
 * @remarks To be used inside one transaction with one snapshot, so that what is written fits together.
 */
export class ExportRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Every user that is known by name or appears anywhere, by id. */
  async *users(): AsyncGenerator<UserLine[]> {
    let last = '';
    for (;;) {
      const rows = await this.transaction.query<{ user_id: string; name: string | null; metadata: string | null }>(
        EXPORT_USERS,
        [last, PAGE_ROWS],
      );
      if (rows.length === 0) return;
      last = rows.at(-1)!.user_id;
      yield rows.map((row) => ({
        userId: row.user_id,
        name: row.name,
        metadataJson: row.metadata === null ? null : compactJson(row.metadata),
      }));
    }
  }

  /** Every chat that is not deleted, by id. */
  async *chats(): AsyncGenerator<ChatLine[]> {
    interface Row extends ChatColumns, QueryResultRow {
      id: string;
      last_seq: string | null;
      participants: ParticipantArray[] | null;
    }
    for await (const rows of this.#pages<Row>(EXPORT_CHATS, (row) => [row.id], [NIL_UUID])) {
      yield rows.map((row) => {
        const { id: chatId, ...chat } = readChat(row.id, row);
        const lastSeq = row.last_seq === null ? null : Number(row.last_seq);
        return { chatId, ...chat, lastSeq, participants: (row.participants ?? []).map(readParticipant) };
      });
    }
  }

  /** Every message of those chats, by chat and seq. */
  async *messages(): AsyncGenerator<MessageLine[]> {
    interface Row extends QueryResultRow {
      chat_id: string;
      message: MessageArray;
      reactions: [userId: string, emoji: string, atMs: number][] | null;
    }
    for await (const rows of this.#pages<Row>(EXPORT_MESSAGES, (row) => [row.chat_id, row.message[0]], [NIL_UUID, 0])) {
      yield rows.map(({ chat_id: chatId, message, reactions }) => ({
        chatId,
        seq: message[0],
        senderId: message[2],
        clientId: message[3],
        kind: message[4],
        text: message[5],
        metadataJson: message[6] === null ? null : compactJson(message[6]),
        replyTo: message[7],
        createdAtMs: message[8],
        editedAtMs: message[9],
        deletedAtMs: message[10],
        reactions: (reactions ?? []).map(([userId, emoji, atMs]) => ({ userId, emoji, atMs })),
      }));
    }
  }

  async *#pages<Row extends QueryResultRow>(
    statement: Statement,
    keyOf: (row: Row) => unknown[],
    first: unknown[],
  ): AsyncGenerator<Row[]> {
    let last = first;
    for (;;) {
      const rows: Row[] = await this.transaction.query<Row>(statement, [...last, PAGE_ROWS]);
      if (rows.length === 0) return;
      yield rows;
      last = keyOf(rows.at(-1)!);
    }
  }
}
