import type { Statement, Transaction } from '../database.js';
import {
  DELETE_MESSAGES,
  EDIT_MESSAGES,
  INSERT_MESSAGES,
  MOVE_MARKERS,
  REMOVE_CHATS,
  UPDATE_CHATS,
  WRITE_PARTICIPANTS,
  WRITE_REACTIONS,
} from '../statements/write-rows.js';
import type { ParticipantRecord } from '../records.js';
import type { Decision, RowWrites } from './chat-state.js';

/**
 * What rows have once they are written: metadata in the form that the database keeps (key order, numbers), and what an
 * operation has left as it is.
 */
export interface StoredContents {
  /** Keyed `chatId seq`; sent messages only if they have metadata. */
  readonly messages: ReadonlyMap<string, StoredMessage>;
  readonly chats: ReadonlyMap<string, StoredChat>;
}

interface StoredMessage {
  readonly chat_id: string;
  readonly seq: string;
  /** Only of an edited message. */
  readonly text?: string | null;
  readonly metadata: string | null;
}

interface StoredChat {
  readonly chat_id: string;
  readonly title: string | null;
  readonly metadata: string;
}

interface Write extends RowWrites {
  readonly chatId: string;
  readonly version: number;
}

/** Writes the rows of a batch's decisions, each kind of row with one statement. All are sent when it returns. */
export async function writeRows(
  transaction: Transaction,
  byChat: ReadonlyMap<string, readonly Decision[]>,
): Promise<StoredContents> {
  const writes: Write[] = [];
  for (const [chatId, decisions] of byChat) {
    for (const decision of decisions) {
      if ('error' in decision || decision.writes === undefined) continue;
      writes.push({ ...decision.writes, chatId, version: decision.result.version });
    }
  }
  const [inserted, edited, chats] = await Promise.all([
    insertMessages(transaction, writes),
    editMessages(transaction, writes),
    updateChats(transaction, writes),
    deleteMessages(transaction, writes),
    writeReactions(transaction, writes),
    writeParticipants(transaction, writes),
    moveMarkers(transaction, writes),
    removeChats(transaction, writes),
  ]);
  const messages = new Map([...inserted, ...edited].map((row) => [`${row.chat_id} ${row.seq}`, row]));
  return { messages, chats: new Map(chats.map((row) => [row.chat_id, row])) };
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

function insertMessages(transaction: Transaction, writes: readonly Write[]): Promise<StoredMessage[]> {
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

function editMessages(transaction: Transaction, writes: readonly Write[]): Promise<StoredMessage[]> {
  const rows = writes.flatMap(({ chatId, edit }) => (edit === undefined ? [] : [{ chatId, ...edit }]));
  return writeColumns(transaction, EDIT_MESSAGES, rows, [
    (row) => row.chatId,
    (row) => row.after.seq,
    (row) => row.after.version,
    (row) => (row.after.text === row.before.text ? null : row.after.text),
    (row) => row.after.metadataJson !== row.before.metadataJson,
    (row) => row.after.metadataJson,
    (row) => row.after.editedAtMs,
  ]);
}

function updateChats(transaction: Transaction, writes: readonly Write[]): Promise<StoredChat[]> {
  const rows = writes.flatMap(({ chat }) => (chat === undefined ? [] : [chat]));
  return writeColumns(transaction, UPDATE_CHATS, rows, [
    (row) => row.after.id,
    (row) => row.after.title !== row.before.title,
    (row) => row.after.title,
    (row) => (row.after.metadataJson === row.before.metadataJson ? null : row.after.metadataJson),
    (row) => row.after.updatedAtMs,
  ]);
}

async function removeChats(transaction: Transaction, writes: readonly Write[]): Promise<void> {
  const rows = writes.filter((write) => write.removeChat === true);
  await writeColumns(transaction, REMOVE_CHATS, rows, [(row) => row.chatId]);
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

/** Where a batch moves a marker several times, its row becomes what the last of them says. */
async function moveMarkers(transaction: Transaction, writes: readonly Write[]): Promise<void> {
  const last = new Map<string, ParticipantRecord & { readonly chatId: string }>();
  for (const { chatId, marker } of writes) {
    if (marker !== undefined) last.set(`${chatId} ${marker.userId}`, { chatId, ...marker });
  }
  await writeColumns(
    transaction,
    MOVE_MARKERS,
    [...last.values()],
    [(row) => row.chatId, (row) => row.userId, (row) => row.lastReadSeq, (row) => row.version],
  );
}
