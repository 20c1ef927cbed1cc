import type { Transaction } from '../database.js';
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
import { bigints, booleans, queryRows, texts, uuids } from './row-columns.js';

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

interface Write {
  readonly chatId: string;
  readonly version: number;
  readonly writes: RowWrites;
}

/** Writes the rows of a batch's decisions, each kind of row with one statement. All are sent when it returns. */
export async function writeRows(
  transaction: Transaction,
  byChat: ReadonlyMap<string, readonly Decision[]>,
): Promise<StoredContents> {
  const all: Write[] = [];
  for (const [chatId, decisions] of byChat) {
    for (const decision of decisions) {
      if ('error' in decision || decision.writes === undefined) continue;
      all.push({ chatId, version: decision.result.version, writes: decision.writes });
    }
  }
  const [inserted, edited, chats] = await Promise.all([
    insertMessages(transaction, all),
    editMessages(transaction, all),
    updateChats(transaction, all),
    deleteMessages(transaction, all),
    writeReactions(transaction, all),
    writeParticipants(transaction, all),
    moveMarkers(transaction, all),
    removeChats(transaction, all),
  ]);
  const messages = new Map([...inserted, ...edited].map((row) => [`${row.chat_id} ${row.seq}`, row]));
  return { messages, chats: new Map(chats.map((row) => [row.chat_id, row])) };
}

function insertMessages(transaction: Transaction, all: readonly Write[]): Promise<StoredMessage[]> {
  const rows = all.flatMap(({ chatId, writes: { insert } }) => (insert === undefined ? [] : [{ chatId, insert }]));
  return queryRows(transaction, INSERT_MESSAGES, rows, [
    uuids((row) => row.chatId),
    bigints((row) => row.insert.seq),
    bigints((row) => row.insert.version),
    texts((row) => row.insert.senderId),
    texts((row) => row.insert.clientId),
    texts((row) => row.insert.kind),
    texts((row) => row.insert.text),
    texts((row) => row.insert.metadataJson),
    bigints((row) => row.insert.replyTo),
    bigints((row) => row.insert.createdAtMs),
  ]);
}

function editMessages(transaction: Transaction, all: readonly Write[]): Promise<StoredMessage[]> {
  const rows = all.flatMap(({ chatId, writes: { edit } }) => (edit === undefined ? [] : [{ chatId, ...edit }]));
  return queryRows(transaction, EDIT_MESSAGES, rows, [
    uuids((row) => row.chatId),
    bigints((row) => row.after.seq),
    bigints((row) => row.after.version),
    texts((row) => (row.after.text === row.before.text ? null : row.after.text)),
    booleans((row) => row.after.metadataJson !== row.before.metadataJson),
    texts((row) => row.after.metadataJson),
    bigints((row) => row.after.editedAtMs),
  ]);
}

function updateChats(transaction: Transaction, all: readonly Write[]): Promise<StoredChat[]> {
  const rows = all.flatMap(({ writes: { chat } }) => (chat === undefined ? [] : [chat]));
  return queryRows(transaction, UPDATE_CHATS, rows, [
    uuids((row) => row.after.id),
    booleans((row) => row.after.title !== row.before.title),
    texts((row) => row.after.title),
    texts((row) => (row.after.metadataJson === row.before.metadataJson ? null : row.after.metadataJson)),
    bigints((row) => row.after.updatedAtMs),
  ]);
}

async function removeChats(transaction: Transaction, all: readonly Write[]): Promise<void> {
  const rows = all.filter(({ writes: { removeChat } }) => removeChat === true);
  await queryRows(transaction, REMOVE_CHATS, rows, [uuids((row) => row.chatId)]);
}

async function deleteMessages(transaction: Transaction, all: readonly Write[]): Promise<void> {
  const rows = all.flatMap(({ chatId, writes: { tombstone } }) =>
    tombstone === undefined ? [] : [{ chatId, ...tombstone }],
  );
  await queryRows(transaction, DELETE_MESSAGES, rows, [
    uuids((row) => row.chatId),
    bigints((row) => row.seq),
    bigints((row) => row.version),
    bigints((row) => row.deletedAtMs),
  ]);
}

async function writeReactions(transaction: Transaction, all: readonly Write[]): Promise<void> {
  const rows = all.flatMap(({ chatId, version, writes: { react } }) =>
    react === undefined ? [] : [{ chatId, version, ...react }],
  );
  await queryRows(transaction, WRITE_REACTIONS, rows, [
    uuids((row) => row.chatId),
    bigints((row) => row.seq),
    texts((row) => row.userId),
    texts((row) => row.emoji),
    booleans((row) => row.present),
    bigints((row) => row.version),
  ]);
}

async function writeParticipants(transaction: Transaction, all: readonly Write[]): Promise<void> {
  const rows = all.flatMap(({ chatId, writes: { participant } }) =>
    participant === undefined ? [] : [{ chatId, ...participant }],
  );
  await queryRows(transaction, WRITE_PARTICIPANTS, rows, [
    uuids((row) => row.chatId),
    texts((row) => row.userId),
    texts((row) => row.role),
    bigints((row) => row.joinedAtMs),
    bigints((row) => row.leftAtMs),
    bigints((row) => row.lastReadSeq),
    bigints((row) => row.version),
  ]);
}

/** Where a batch moves a marker several times, its row becomes what the last of them says. */
async function moveMarkers(transaction: Transaction, all: readonly Write[]): Promise<void> {
  const last = new Map<string, ParticipantRecord & { readonly chatId: string }>();
  for (const {
    chatId,
    writes: { marker },
  } of all) {
    if (marker !== undefined) last.set(`${chatId} ${marker.userId}`, { chatId, ...marker });
  }
  await queryRows(
    transaction,
    MOVE_MARKERS,
    [...last.values()],
    [
      uuids((row) => row.chatId),
      texts((row) => row.userId),
      bigints((row) => row.lastReadSeq),
      bigints((row) => row.version),
    ],
  );
}
