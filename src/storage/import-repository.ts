import type { QueryResultRow } from 'pg';
import { copyColumns } from './copy-in.js';
import type { Database, Statement, Transaction } from './database.js';
import {
  ANALYZE_TABLES,
  DATE_CHATS,
  EXTEND_LINES,
  FIND_CLIENT_IDS,
  FIND_FILLED,
  IDENTIFY_MESSAGES,
  IMPORT_CHATS,
  IMPORT_MESSAGES,
  IMPORT_REACTIONS,
  IMPORT_USERS,
  IMPORT_WRITERS,
  RESET_HEADS,
} from './statements/import-rows.js';
import { LOCK_HEADS } from './statements/lock-heads.js';
import { MOVE_HEADS, WRITE_PARTICIPANTS } from './statements/write-rows.js';
import {
  placeMessage,
  type Identity,
  type ImportOutcome,
  type Known,
  type Place,
  type PlacedMessage,
  type PlacingRules,
  type PreparedMessage,
} from './message-placing.js';
import type { ChatLine, MessageLine, UserLine } from './transfer-records.js';

/** Lines whose end is set by one transaction. More hold their chats' locks longer. */
const LINES_AT_ONCE = 1000;

/** Does the part of writing a message that can be done before its chat is locked, while the server is at work. */
export function prepareMessage(message: MessageLine, lineNumber: number): PreparedMessage {
  const columns = copyColumns([
    message.senderId,
    message.clientId,
    message.kind,
    message.text,
    message.metadataJson,
    message.replyTo,
    timeText(message.createdAtMs),
    timeText(message.editedAtMs),
    timeText(message.deletedAtMs),
  ]);
  return { message, lineNumber, columns };
}

/**
 * Writes many rows at once, under the same rules as single writes: heads are locked, seqs have no holes but those that the importer
 * allows, every change is a step of the version. What is there already is recognised and not written again.
 *
 * @remarks Knows nothing of caches: running instances notice by their poll.
 */
export class ImportRepository {
  constructor(private readonly database: Database) {}

  /**
   * To be called when an import has come to its end: lines get the end they had before their last messages were purged, chats that are
   * new and of an unknown time the time of their first message, and the server learns how large its tables are now.
   */
  async finish(lastSeqs: ReadonlyMap<string, number>, undated: ReadonlySet<string>): Promise<void> {
    for (const lines of parts([...lastSeqs])) {
      const chatIds = lines.map(([chatId]) => chatId);
      await this.#changeHeads(chatIds, EXTEND_LINES, [chatIds, lines.map(([, lastSeq]) => lastSeq)]);
    }
    for (const chatIds of parts([...undated])) await this.#changeHeads(chatIds, DATE_CHATS, [chatIds]);
    await this.database.query('write', ANALYZE_TABLES, []);
  }

  /** Keeps users' names; of two lines with one id the last counts. */
  async importUsers(users: readonly UserLine[]): Promise<void> {
    const byId = [...new Map(users.map((user) => [user.userId, user])).values()];
    await this.database.query('write', IMPORT_USERS, [
      byId.map((user) => user.userId),
      byId.map((user) => user.name),
      byId.map((user) => user.metadataJson),
    ]);
  }

  /**
   * Creates the chats that are not there yet, with their participants if the lines list them.
   *
   * @returns the ids of those that were created.
   */
  importChats(chats: readonly ChatLine[]): Promise<ReadonlySet<string>> {
    return this.#transaction(async (transaction) => {
      const created = await transaction.query<{ id: string }>(IMPORT_CHATS, [
        chats.map((chat) => chat.chatId),
        chats.map((chat) => chat.kind),
        chats.map((chat) => chat.title),
        chats.map((chat) => chat.metadataJson),
        chats.map((chat) => chat.createdBy),
        chats.map((chat) => chat.createdAtMs),
        chats.map((chat) => chat.updatedAtMs),
      ]);
      const isNew = new Set(created.map((row) => row.id));
      const participants = chats
        .filter((chat) => isNew.has(chat.chatId))
        .flatMap((chat) => (chat.participants ?? []).map((participant) => ({ chatId: chat.chatId, ...participant })));
      if (participants.length > 0) {
        await transaction.query(WRITE_PARTICIPANTS, [
          participants.map((row) => row.chatId),
          participants.map((row) => row.userId),
          participants.map((row) => row.role),
          participants.map((row) => row.joinedAtMs),
          participants.map((row) => row.leftAtMs),
          participants.map((row) => row.lastReadSeq),
          participants.map(() => 1),
        ]);
      }
      return isNew;
    });
  }

  /**
   * Places messages at the end of their chats' lines, or in holes of them.
   *
   * @param messages - in the order of the file; those of one chat that name a seq must ascend.
   * @returns an outcome for each message. `early`: it is not its turn, a message with a lower seq has to come first.
   */
  importMessages(messages: readonly PreparedMessage[], rules: PlacingRules): Promise<ImportOutcome[]> {
    return this.#transaction(async (transaction) => {
      const chatIds = [...new Set(messages.map(({ message }) => message.chatId))];
      const heads = await transaction.query<HeadRow>(LOCK_HEADS, [chatIds]);
      const places = new Map(heads.map((head) => [head.chat_id, placeOf(head)]));
      const known = await readKnown(
        transaction,
        messages.map(({ message }) => message),
        places,
      );
      const placed: PlacedMessage[] = [];
      const outcomes = messages.map((prepared): ImportOutcome => {
        const place = places.get(prepared.message.chatId);
        const outcome =
          place === undefined
            ? { refused: 'chat: is not in chats.jsonl' }
            : placeMessage(prepared, place, known, rules, placed);
        if (typeof outcome === 'object') rules.onRefused(prepared, place?.lastSeq);
        return outcome;
      });
      await insert(transaction, placed);
      await this.#insertWriters(transaction, places, rules.listsParticipants);
      const changed = new Set(placed.map(({ message }) => message.chatId));
      const moved = [...places].filter(([chatId]) => changed.has(chatId));
      if (moved.length > 0) {
        await transaction.query(MOVE_HEADS, [
          moved.map(([chatId]) => chatId),
          moved.map(([, place]) => place.lastSeq),
          moved.map(([, place]) => place.version),
        ]);
      }
      const filled = moved.filter(([, place]) => place.filledVersion !== undefined);
      if (filled.length > 0) {
        await transaction.query(RESET_HEADS, [
          filled.map(([chatId]) => chatId),
          filled.map(([, place]) => place.filledVersion),
        ]);
      }
      return outcomes;
    });
  }

  /** An import may take as long as it takes: the pool's limit on a statement is the only one. */
  #transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.database.transaction(work, { answerLimitMs: Infinity });
  }

  #changeHeads(chatIds: readonly string[], statement: Statement, parameters: readonly unknown[]): Promise<void> {
    return this.#transaction(async (transaction) => {
      await transaction.query(LOCK_HEADS, [chatIds]);
      await transaction.query(statement, parameters);
    });
  }

  async #insertWriters(
    transaction: Transaction,
    places: ReadonlyMap<string, Place>,
    listsParticipants: ReadonlySet<string>,
  ): Promise<void> {
    const rows: { chatId: string; userId: string; firstMs: number; lastSeq: number; version: number }[] = [];
    for (const [chatId, place] of places) {
      if (listsParticipants.has(chatId)) continue;
      for (const [userId, writer] of place.writers) {
        rows.push({ chatId, userId, ...writer, version: ++place.version });
      }
    }
    if (rows.length === 0) return;
    await transaction.query(IMPORT_WRITERS, [
      rows.map((row) => row.chatId),
      rows.map((row) => row.userId),
      rows.map((row) => row.firstMs),
      rows.map((row) => row.lastSeq),
      rows.map((row) => row.version),
    ]);
  }
}

async function readKnown(
  transaction: Transaction,
  messages: readonly MessageLine[],
  places: ReadonlyMap<string, Place>,
): Promise<Known> {
  const repeated = messages.filter(({ chatId, seq }) => seq !== null && seq <= (places.get(chatId)?.lastSeq ?? 0));
  const named = messages.filter(({ chatId, clientId }) => clientId !== null && places.has(chatId));
  const bySeq = new Map<string, Identity>();
  if (repeated.length > 0) {
    const rows = await transaction.query<{ chat_id: string; seq: string; sender_id: string; created_ms: string }>(
      IDENTIFY_MESSAGES,
      [repeated.map((message) => message.chatId), repeated.map((message) => message.seq)],
    );
    for (const row of rows) {
      bySeq.set(`${row.chat_id} ${row.seq}`, { senderId: row.sender_id, createdMs: Number(row.created_ms) });
    }
  }
  await notePurged(transaction, repeated, bySeq, places);
  const clientIds = new Set<string>();
  if (named.length > 0) {
    const rows = await transaction.query<{ chat_id: string; sender_id: string; client_id: string }>(FIND_CLIENT_IDS, [
      named.map((message) => message.chatId),
      named.map((message) => message.senderId),
      named.map((message) => message.clientId),
    ]);
    for (const row of rows) clientIds.add(`${row.chat_id} ${row.sender_id}\u0000${row.client_id}`);
  }
  return { bySeq, clientIds };
}

/** Finds out, where messages are missing that a batch has, whether they were purged: for chats alone that have been reset at all. */
async function notePurged(
  transaction: Transaction,
  repeated: readonly MessageLine[],
  bySeq: ReadonlyMap<string, Identity>,
  places: ReadonlyMap<string, Place>,
): Promise<void> {
  const missing = repeated.filter(({ chatId, seq }) => places.get(chatId)!.isPurged && !bySeq.has(`${chatId} ${seq}`));
  if (missing.length === 0) return;
  const chatIds = [...new Set(missing.map(({ chatId }) => chatId))];
  const rows = await transaction.query<{ chat_id: string }>(FIND_FILLED, [chatIds]);
  for (const row of rows) places.get(row.chat_id)!.isPurged = false;
}

interface HeadRow extends QueryResultRow {
  chat_id: string;
  last_seq: string;
  version: string;
  reset_version: string;
}

function placeOf(head: HeadRow): Place {
  return {
    lastSeq: Number(head.last_seq),
    version: Number(head.version),
    isPurged: Number(head.reset_version) > 0,
    filledVersion: undefined,
    writers: new Map(),
  };
}

/** Cuts a list into parts of what one transaction may do. */
function* parts<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < list.length; from += LINES_AT_ONCE) yield list.slice(from, from + LINES_AT_ONCE);
}

async function insert(transaction: Transaction, placed: readonly PlacedMessage[]): Promise<void> {
  if (placed.length === 0) return;
  let rows = '';
  for (const { message, seq, version, columns } of placed)
    rows += `${message.chatId}\t${seq}\t${version}\t${columns}\n`;
  await transaction.copyIn(IMPORT_MESSAGES, Buffer.from(rows));
  const reactions = placed.flatMap(({ message, seq }) =>
    message.reactions.map((each) => ({ chatId: message.chatId, seq, ...each })),
  );
  if (reactions.length === 0) return;
  await transaction.query(IMPORT_REACTIONS, [
    reactions.map((row) => row.chatId),
    reactions.map((row) => row.seq),
    reactions.map((row) => row.userId),
    reactions.map((row) => row.emoji),
    reactions.map((row) => row.atMs),
  ]);
}

function timeText(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
