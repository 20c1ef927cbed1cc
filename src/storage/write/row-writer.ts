import type { Statement, Transaction } from '../database.js';
import {
  DELETE_MESSAGES,
  EDIT_MESSAGES,
  INSERT_MESSAGES,
  MOVE_MARKERS,
  REMOVE_CHAT,
  UPDATE_CHAT,
  WRITE_PARTICIPANTS,
  WRITE_REACTIONS,
} from '../statements/write-rows.js';
import type { Decision, RowWrites } from './chat-state.js';

/** Metadata in the form that the database keeps (key order, numbers), by the row that has it. */
export interface StoredMetadata {
  /** Keyed `chatId seq`. */
  readonly messages: ReadonlyMap<string, string>;
  readonly chats: ReadonlyMap<string, string>;
}

interface Write extends RowWrites {
  readonly chatId: string;
  readonly version: number;
}

/** Writes the rows of a batch's decisions, each kind of row with one statement. */
export async function writeRows(
  transaction: Transaction,
  byChat: ReadonlyMap<string, readonly Decision[]>,
): Promise<StoredMetadata> {
  const writes: Write[] = [];
  for (const [chatId, decisions] of byChat) {
    for (const decision of decisions) {
      if ('error' in decision || decision.writes === undefined) continue;
      writes.push({ ...decision.writes, chatId, version: decision.result.version });
    }
  }
  const messages = new Map<string, string>();
  const chats = new Map<string, string>();
  for (const rows of await Promise.all([insertMessages(transaction, writes), editMessages(transaction, writes)])) {
    for (const row of rows) messages.set(`${row.chat_id} ${row.seq}`, row.metadata);
  }
  await deleteMessages(transaction, writes);
  await writeReactions(transaction, writes);
  await writeParticipants(transaction, writes);
  await moveMarkers(transaction, writes);
  for (const write of writes) {
    if (write.chat !== undefined) {
      const { id, title, metadataJson, updatedAtMs } = write.chat;
      const rows = await transaction.query<{ metadata: string }>(UPDATE_CHAT, [id, title, metadataJson, updatedAtMs]);
      chats.set(id, rows[0]?.metadata ?? metadataJson);
    }
    if (write.removeChat === true) await transaction.query(REMOVE_CHAT, [write.chatId]);
  }
  return { messages, chats };
}

interface MetadataRow {
  readonly chat_id: string;
  readonly seq: string;
  readonly metadata: string;
}

/** One column of a statement's parameters: how to take it from a row. */
type Column<Row> = (row: Row) => unknown;

async function writeColumns<Row, Result extends object>(
  transaction: Transaction,
  statement: Statement,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<Result[]> {
  if (rows.length === 0) return [];
  return transaction.query<Result>(
    statement,
    columns.map((column) => rows.map(column)),
  );
}

function insertMessages(transaction: Transaction, writes: readonly Write[]): Promise<MetadataRow[]> {
  const rows = writes.flatMap(({ chatId, insert }) => (insert === undefined ? [] : [{ chatId, ...insert }]));
  return writeColumns(transaction, INSERT_MESSAGES, rows, [
    (row) => row.chatId,
    (row) => row.seq,
    (row) => row.version,
    (row) => row.senderId,
    (row) => row.clientId,
    (row) => row.kind,
    (row) => row.text,
    (row) => row.metadataJson,
    (row) => row.replyTo,
    (row) => row.createdAtMs,
  ]);
}

function editMessages(transaction: Transaction, writes: readonly Write[]): Promise<MetadataRow[]> {
  const rows = writes.flatMap(({ chatId, edit }) => (edit === undefined ? [] : [{ chatId, ...edit.after }]));
  return writeColumns(transaction, EDIT_MESSAGES, rows, [
    (row) => row.chatId,
    (row) => row.seq,
    (row) => row.version,
    (row) => row.text,
    (row) => row.metadataJson,
    (row) => row.editedAtMs,
  ]);
}

async function deleteMessages(transaction: Transaction, writes: readonly Write[]): Promise<void> {
  const rows = writes.flatMap(({ chatId, tombstone }) => (tombstone === undefined ? [] : [{ chatId, ...tombstone }]));
  await writeColumns(transaction, DELETE_MESSAGES, rows, [
    (row) => row.chatId,
    (row) => row.seq,
    (row) => row.version,
    (row) => row.deletedAtMs,
  ]);
}

async function writeReactions(transaction: Transaction, writes: readonly Write[]): Promise<void> {
  const rows = writes.flatMap(({ chatId, version, react }) =>
    react === undefined ? [] : [{ chatId, version, ...react }],
  );
  await writeColumns(transaction, WRITE_REACTIONS, rows, [
    (row) => row.chatId,
    (row) => row.seq,
    (row) => row.userId,
    (row) => row.emoji,
    (row) => row.present,
    (row) => row.version,
  ]);
}

async function writeParticipants(transaction: Transaction, writes: readonly Write[]): Promise<void> {
  const rows = writes.flatMap(({ chatId, participant }) =>
    participant === undefined ? [] : [{ chatId, ...participant }],
  );
  await writeColumns(transaction, WRITE_PARTICIPANTS, rows, [
    (row) => row.chatId,
    (row) => row.userId,
    (row) => row.role,
    (row) => row.joinedAtMs,
    (row) => row.leftAtMs,
    (row) => row.lastReadSeq,
    (row) => row.version,
  ]);
}

async function moveMarkers(transaction: Transaction, writes: readonly Write[]): Promise<void> {
  const rows = writes.flatMap(({ chatId, marker }) => (marker === undefined ? [] : [{ chatId, ...marker }]));
  await writeColumns(transaction, MOVE_MARKERS, rows, [
    (row) => row.chatId,
    (row) => row.userId,
    (row) => row.lastReadSeq,
    (row) => row.version,
  ]);
}
