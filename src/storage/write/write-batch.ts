import type { QueryResultRow } from 'pg';
import { compactJson } from '../compact-json.js';
import type { Database, Transaction } from '../database.js';
import type { HeadRecord, MessageRecord } from '../records.js';
import { LOOK_UP_MESSAGES } from '../statements/look-up.js';
import { readMessages, type MessageArray, type ReactionArray } from '../statements/read-rows.js';
import { MOVE_HEADS } from '../statements/write-rows.js';
import { chatNotFound } from './chat-errors.js';
import type { Change, ChatChanges, Committed } from './change.js';
import { asCommitted } from './change.js';
import type { ChatOperation } from './chat-operation.js';
import type { Decision } from './chat-state.js';
import { decideAll } from './decide.js';
import { lockChats, type LockManner } from './locked-chats.js';
import { bigints, queryRows, uuids } from './row-columns.js';
import { writeRows, type StoredContents } from './row-writer.js';
import { causeOf } from './write-trace.js';

/**
 * How long a transaction of several chats waits for a lock while it holds their heads. What it waits for is nearly always a person's, whose
 * end nobody knows; a transaction that gives up too soon is only tried again.
 */
const BRIEF_LOCK_WAIT_MS = 50;

/** How long one waits for the head of its only chat, with nothing in hand but a connection. */
const HEAD_WAIT_MS = 2000;

/** What a committed batch came to. */
export interface BatchOutcome {
  /** One decision per operation. */
  readonly decisions: ReadonlyMap<ChatOperation, Decision>;
  /** What other parts of the process may now learn, one element per changed chat. */
  readonly committed: readonly Committed<ChatChanges>[];
  /** Versions of the chats in which nothing was changed. */
  readonly unchanged: ReadonlyMap<string, number>;
  /** Chats that were passed over because somebody else has them locked. Nothing was decided about them. */
  readonly passedOver: readonly string[];
}

/**
 * Runs operations of some chats in one transaction: lock the heads, read what the operations ask about, decide, write
 * the rows, move the heads, commit. What comes before deciding is one round trip to the server, or two if an operation needs to know
 * more (`second-look.ts`), and what follows is another.
 *
 * @param manner - how it meets locks of others; `patient` is for one chat.
 * @throws whatever the database throws; nothing is then written, except with `CommitOutcomeUnknownError`.
 */
export async function writeBatch(
  database: Database,
  operations: ReadonlyMap<string, readonly ChatOperation[]>,
  manner: LockManner,
): Promise<BatchOutcome> {
  let passedOver: readonly string[] = [];
  const unchanged = new Map<string, number>();
  const { decisions, changes } = await database.transaction(
    async (transaction) => {
      const { lines, passedOver: held } = await lockChats(transaction, operations, manner);
      passedOver = held;
      const byChat = new Map<string, readonly Decision[]>();
      const moved = new Map<string, HeadRecord>();
      for (const [chatId, asked] of operations) {
        const line = lines.get(chatId);
        if (held.includes(chatId)) continue;
        if (line === undefined) {
          byChat.set(
            chatId,
            asked.map((operation) => ({ operation, error: chatNotFound(chatId) })),
          );
          continue;
        }
        const decided = decideAll(line.head, line.locked, asked);
        byChat.set(chatId, decided.decisions);
        if (decided.head.version > line.head.version) moved.set(chatId, decided.head);
        else unchanged.set(chatId, line.head.version);
      }
      return finish(transaction, byChat, moved);
    },
    {
      first: 'with-begin',
      cause: () => causeOf(operations),
      lockWaitMs: manner === 'patient' ? HEAD_WAIT_MS : BRIEF_LOCK_WAIT_MS,
    },
  );
  return { decisions, committed: changes.map((change) => asCommitted(change)), unchanged, passedOver };
}

async function finish(
  transaction: Transaction,
  byChat: ReadonlyMap<string, readonly Decision[]>,
  moved: ReadonlyMap<string, HeadRecord>,
): Promise<{ decisions: Map<ChatOperation, Decision>; changes: ChatChanges[] }> {
  const answers = [
    writeRows(transaction, byChat),
    readAgain(transaction, byChat),
    moveHeads(transaction, moved),
  ] as const;
  transaction.commit();
  const [stored, reread] = await Promise.all(answers);
  const decisions = new Map<ChatOperation, Decision>();
  const changes: ChatChanges[] = [];
  for (const [chatId, decided] of byChat) {
    const finished: Change[] = [];
    for (const decision of decided) {
      const complete = completeDecision(chatId, decision, stored, reread);
      decisions.set(decision.operation, complete);
      if ('change' in complete && complete.change !== undefined) finished.push(complete.change);
    }
    if (finished.length > 0) changes.push({ chatId, changes: finished });
  }
  return { decisions, changes };
}

async function moveHeads(transaction: Transaction, moved: ReadonlyMap<string, HeadRecord>): Promise<void> {
  await queryRows(
    transaction,
    MOVE_HEADS,
    [...moved],
    [uuids(([chatId]) => chatId), bigints(([, head]) => head.lastSeq), bigints(([, head]) => head.version)],
  );
}

interface MessagePlace {
  readonly chatId: string;
  readonly seq: number;
}

interface MessageRow extends QueryResultRow {
  readonly chat_id: string;
  readonly message: MessageArray;
  readonly reactions: ReactionArray[] | null;
}

/** Messages by `chatId seq`. */
type MessagesByPlace = ReadonlyMap<string, MessageRecord>;

/** Adds what only the database knows once the rows are written: the kept form of metadata, reactions. */
function completeDecision(
  chatId: string,
  decision: Decision,
  stored: StoredContents,
  reread: MessagesByPlace,
): Decision {
  if ('error' in decision) return decision;
  const { result, change } = decision;
  if (change?.type === 'chat') {
    const row = stored.chats.get(chatId);
    if (row === undefined) return decision;
    const chat = { ...change.chat, title: row.title, metadataJson: compactJson(row.metadata) };
    return { ...decision, change: { ...change, chat } };
  }
  const told = result.message;
  if (told === undefined) return decision;
  const place = `${chatId} ${told.seq}`;
  if (result.replayed === true) return { ...decision, result: { ...result, message: reread.get(place) ?? told } };
  if (change?.type !== 'message') return decision;
  let message = change.message;
  const row = stored.messages.get(place);
  if (change.cause === 'reacted') {
    message = reread.get(place)!;
  } else if (row !== undefined && change.cause !== 'deleted') {
    const metadataJson = row.metadata === null || row.metadata === '{}' ? null : compactJson(row.metadata);
    message = { ...message, metadataJson, text: row.text ?? message.text };
  }
  return { ...decision, result: { ...result, message }, change: { ...change, message } };
}

/**
 * Reads again, with all rows written, the messages that got reactions, and those that a send of the batch repeats while another operation
 * of the batch changes them: they are told as they are now.
 */
async function readAgain(
  transaction: Transaction,
  byChat: ReadonlyMap<string, readonly Decision[]>,
): Promise<MessagesByPlace> {
  const keys: MessagePlace[] = [];
  for (const [chatId, decided] of byChat) {
    const touched = touchedSeqs(decided);
    for (const decision of decided) {
      if ('error' in decision || decision.result.message === undefined) continue;
      const { seq } = decision.result.message;
      const isReacted = decision.change?.type === 'message' && decision.change.cause === 'reacted';
      if (isReacted || (decision.result.replayed === true && touched.has(seq))) keys.push({ chatId, seq });
    }
  }
  const rows = await queryRows<MessagePlace, MessageRow>(transaction, LOOK_UP_MESSAGES, keys, [
    uuids((key) => key.chatId),
    bigints((key) => key.seq),
  ]);
  return new Map(
    rows.map((row) => {
      const message = readMessages([row.message], row.reactions)[0]!;
      return [`${row.chat_id} ${message.seq}`, message];
    }),
  );
}

/** Messages that decisions change and do not make. */
function touchedSeqs(decisions: readonly Decision[]): ReadonlySet<number> {
  const seqs = new Set<number>();
  for (const decision of decisions) {
    if ('change' in decision && decision.change?.type === 'message' && decision.change.cause !== 'sent') {
      seqs.add(decision.change.message.seq);
    }
  }
  return seqs;
}
