import { compactJson } from '../compact-json.js';
import type { Database, Transaction } from '../database.js';
import type { HeadRecord, MessageRecord } from '../records.js';
import { COUNT_UNREAD } from '../statements/count-unread.js';
import { LOOK_UP_MESSAGES } from '../statements/look-up.js';
import { readMessages, type MessageArray, type ReactionArray } from '../statements/read-rows.js';
import { MOVE_HEADS } from '../statements/write-rows.js';
import { chatNotFound } from './chat-errors.js';
import type { Change, ChatChanges, Committed } from './change.js';
import { asCommitted } from './change.js';
import type { ChatOperation } from './chat-operation.js';
import type { Decision } from './chat-state.js';
import { decideAll } from './decide.js';
import { lockChats } from './locked-chats.js';
import { writeRows, type StoredMetadata } from './row-writer.js';

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
 * the rows, move the heads, commit.
 *
 * @param isPatient - whether to wait for chats that somebody else has locked, or to pass them over.
 * @throws whatever the database throws; nothing is then written, except with `CommitOutcomeUnknownError`.
 */
export async function writeBatch(
  database: Database,
  operations: ReadonlyMap<string, readonly ChatOperation[]>,
  isPatient: boolean,
): Promise<BatchOutcome> {
  let passedOver: readonly string[] = [];
  const unchanged = new Map<string, number>();
  const { decisions, changes } = await database.transaction(async (transaction) => {
    const { lines, passedOver: held } = await lockChats(transaction, operations, isPatient);
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
  });
  return { decisions, committed: changes.map((change) => asCommitted(change)), unchanged, passedOver };
}

async function finish(
  transaction: Transaction,
  byChat: ReadonlyMap<string, readonly Decision[]>,
  moved: ReadonlyMap<string, HeadRecord>,
): Promise<{ decisions: Map<ChatOperation, Decision>; changes: ChatChanges[] }> {
  const metadata = await writeRows(transaction, byChat);
  if (moved.size > 0) {
    const heads = [...moved.values()];
    await transaction.query(MOVE_HEADS, [
      [...moved.keys()],
      heads.map((head) => head.lastSeq),
      heads.map((head) => head.version),
    ]);
  }
  const decisions = new Map<ChatOperation, Decision>();
  const changes: ChatChanges[] = [];
  for (const [chatId, decided] of byChat) {
    const finished: Change[] = [];
    const touched = touchedSeqs(decided);
    for (const decision of decided) {
      const complete = await completeDecision(transaction, chatId, decision, metadata, touched);
      decisions.set(decision.operation, complete);
      if ('change' in complete && complete.change !== undefined) finished.push(complete.change);
    }
    if (finished.length > 0) changes.push({ chatId, changes: finished });
  }
  return { decisions, changes };
}

/** Adds what only the database knows once the rows are written: the kept form of metadata, reactions, unread counts. */
async function completeDecision(
  transaction: Transaction,
  chatId: string,
  decision: Decision,
  metadata: StoredMetadata,
  touched: ReadonlySet<number>,
): Promise<Decision> {
  if ('error' in decision) return decision;
  const { operation, result, change } = decision;
  if (result.replayed === true && touched.has(result.message!.seq)) {
    // The batch has changed the message that is repeated: it is told as it is now.
    const message = await readMessage(transaction, chatId, result.message!.seq);
    return { ...decision, result: { ...result, message } };
  }
  if (operation.type === 'markRead') {
    const unread = await countUnread(transaction, chatId, operation.userId);
    return {
      ...decision,
      result: { ...result, unread },
      ...(change?.type === 'participant' ? { change: { ...change, unread } } : {}),
    };
  }
  if (change?.type === 'chat') {
    const stored = metadata.chats.get(chatId);
    return stored === undefined
      ? decision
      : { ...decision, change: { ...change, chat: { ...change.chat, metadataJson: compactJson(stored) } } };
  }
  if (change?.type !== 'message') return decision;
  let message = change.message;
  if (change.cause === 'reacted') {
    message = await readMessage(transaction, chatId, message.seq);
  } else {
    const stored = metadata.messages.get(`${chatId} ${message.seq}`);
    if (stored !== undefined) message = { ...message, metadataJson: stored === '{}' ? null : compactJson(stored) };
  }
  return { ...decision, result: { ...result, message }, change: { ...change, message } };
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

async function readMessage(transaction: Transaction, chatId: string, seq: number): Promise<MessageRecord> {
  const [row] = await transaction.query<{ message: MessageArray; reactions: ReactionArray[] | null }>(
    LOOK_UP_MESSAGES,
    [[chatId], [seq]],
  );
  return readMessages([row!.message], row!.reactions)[0]!;
}

async function countUnread(transaction: Transaction, chatId: string, userId: string): Promise<number> {
  const rows = await transaction.query<{ unread: string }>(COUNT_UNREAD, [userId, [chatId]]);
  return Number(rows[0]?.unread ?? 0);
}
