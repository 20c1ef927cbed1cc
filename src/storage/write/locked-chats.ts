import type { Transaction } from '../database.js';
import type { MessageRecord } from '../records.js';
import { FIND_HEADS, LIMIT_ROW_WAIT, LOCK_FREE_HEADS, LOCK_HEADS } from '../statements/lock-heads.js';
import {
  LOOK_UP_CHATS,
  LOOK_UP_CLIENT_IDS,
  LOOK_UP_MESSAGES,
  LOOK_UP_PARTICIPANTS,
  LOOK_UP_REACTIONS,
} from '../statements/look-up.js';
import {
  readChat,
  readMessages,
  readParticipant,
  type ChatColumns,
  type MessageArray,
  type ParticipantArray,
  type ReactionArray,
} from '../statements/read-rows.js';
import type { ChatOperation, ReactOperation } from './chat-operation.js';
import { clientIdKey, reactionKey } from './chat-state.js';
import { findHeldChats } from './held-rows.js';
import type { ChatRow, LockedLine, MutableLine, MutableLines, MutableLockedChat } from './locked-line.js';
import { bigints, queryRows, texts, uuids } from './row-columns.js';
import { isIdentified, lookAgain, type IdentifiedSend } from './second-look.js';

/**
 * How a transaction meets locks that somebody else holds.
 *
 * - `quick`: passes over chats whose heads are locked, and does not look for locked rows: one that it meets ends it, after a short wait.
 * - `careful`: passes over chats of which the head or a row that is to be written is locked. What it cannot see beforehand ends it as well: a row
 *   that somebody has inserted and not committed, a table.
 * - `patient`: waits for both.
 */
export type LockManner = 'quick' | 'careful' | 'patient';

interface HeadRow extends ChatRow {
  last_seq: string;
  version: string;
  reset_version: string;
  now_ms: string;
}

interface MessageRow extends ChatRow {
  message: MessageArray;
  reactions: ReactionArray[] | null;
}

/** The column of chat ids where these are the rows. */
const CHAT_IDS = uuids((chatId: string) => chatId);

/**
 * Locks the heads of the batch's chats and reads what the operations ask about: only the rows they name, each kind in
 * one statement, and no statement for what no operation needs.
 *
 * All of it is sent at once. The server runs one statement after the other, each with what was committed before it began, so
 * that what is read is as it was after the locks were taken; what was read of chats that could not be locked is left unused.
 *
 * @returns a line for each chat that is locked now, and the chats that were passed over; the others do not exist.
 */
export async function lockChats(
  transaction: Transaction,
  operations: ReadonlyMap<string, readonly ChatOperation[]>,
  manner: LockManner,
): Promise<{ readonly lines: ReadonlyMap<string, LockedLine>; readonly passedOver: readonly string[] }> {
  const chatIds = [...operations.keys()];
  const asked = [...operations.values()].flat();
  // Each has sent its statement when it returns.
  const locking = lockHeads(transaction, chatIds, manner);
  const limited = manner === 'patient' ? [transaction.query(LIMIT_ROW_WAIT, [])] : [];
  await Promise.all([
    locking,
    ...limited,
    readChats(transaction, chatIds, locking),
    readParticipants(transaction, asked, locking),
    readMessagesBySeq(transaction, asked, locking),
    readClientIds(transaction, asked, locking),
    readReactions(transaction, asked, locking),
  ]);
  const lines = manner === 'careful' ? await letGoOfHeld(transaction, asked, await locking) : await locking;
  await lookAgain(transaction, asked, lines);
  const missing = chatIds.filter((chatId) => !lines.has(chatId));
  const passedOver =
    manner === 'patient' ? [] : await queryRows<string, ChatRow>(transaction, FIND_HEADS, missing, [CHAT_IDS]);
  return { lines, passedOver: passedOver.map((row) => row.chat_id) };
}

/** Leaves out chats with rows that are to be written and that somebody else has locked. */
async function letGoOfHeld(
  transaction: Transaction,
  asked: readonly ChatOperation[],
  lines: MutableLines,
): Promise<MutableLines> {
  const held = await findHeldChats(transaction, asked, lines);
  return held.size === 0 ? lines : new Map([...lines].filter(([chatId]) => !held.has(chatId)));
}

async function lockHeads(
  transaction: Transaction,
  chatIds: readonly string[],
  manner: LockManner,
): Promise<MutableLines> {
  const statement = manner === 'patient' ? LOCK_HEADS : LOCK_FREE_HEADS;
  const heads = await queryRows<string, HeadRow>(transaction, statement, chatIds, [CHAT_IDS]);
  const lines = new Map<string, MutableLine>();
  for (const row of heads) {
    lines.set(row.chat_id, {
      head: {
        lastSeq: Number(row.last_seq),
        version: Number(row.version),
        resetVersion: Number(row.reset_version),
      },
      locked: {
        chatId: row.chat_id,
        chat: undefined,
        nowMs: Number(row.now_ms),
        participants: new Map(),
        messages: new Map(),
        clientIds: new Map(),
        reactions: new Set(),
        unread: new Map(),
        ownerCount: 0,
        participantCount: 0,
      },
    });
  }
  return lines;
}

async function readChats(transaction: Transaction, chatIds: string[], locking: Promise<MutableLines>): Promise<void> {
  const rows = await queryRows<string, ChatColumns & { id: string }>(transaction, LOOK_UP_CHATS, chatIds, [CHAT_IDS]);
  const lines = await locking;
  for (const row of rows) {
    const line = lines.get(row.id);
    if (line !== undefined) line.locked.chat = readChat(row.id, row);
  }
}

async function readParticipants(
  transaction: Transaction,
  asked: ChatOperation[],
  locking: Promise<MutableLines>,
): Promise<void> {
  const keys = asked.flatMap((operation) => {
    const users: string[] = [];
    if (operation.actor.type === 'user') users.push(operation.actor.userId);
    if (operation.type === 'join' || operation.type === 'leave' || operation.type === 'markRead') {
      users.push(operation.userId);
    }
    return users.map((userId) => ({ chatId: operation.chatId, userId }));
  });
  const rows = await queryRows<(typeof keys)[number], ChatRow & { participant: ParticipantArray }>(
    transaction,
    LOOK_UP_PARTICIPANTS,
    keys,
    [uuids((key) => key.chatId), texts((key) => key.userId)],
  );
  const lines = await locking;
  for (const row of rows) {
    const participant = readParticipant(row.participant);
    lines.get(row.chat_id)?.locked.participants.set(participant.userId, participant);
  }
}

async function readMessagesBySeq(
  transaction: Transaction,
  asked: ChatOperation[],
  locking: Promise<MutableLines>,
): Promise<void> {
  const keys = asked.flatMap((operation) => {
    if (operation.type === 'send') {
      return operation.replyTo === null ? [] : [{ chatId: operation.chatId, seq: operation.replyTo }];
    }
    return 'seq' in operation && operation.type !== 'markRead'
      ? [{ chatId: operation.chatId, seq: operation.seq }]
      : [];
  });
  const rows = await queryRows<(typeof keys)[number], MessageRow>(transaction, LOOK_UP_MESSAGES, keys, [
    uuids((key) => key.chatId),
    bigints((key) => key.seq),
  ]);
  const lines = await locking;
  for (const row of rows) {
    const locked = lines.get(row.chat_id)?.locked;
    if (locked !== undefined) keepMessage(row, locked);
  }
}

async function readClientIds(
  transaction: Transaction,
  asked: ChatOperation[],
  locking: Promise<MutableLines>,
): Promise<void> {
  const rows = await queryRows<IdentifiedSend, MessageRow & { sender_id: string; client_id: string }>(
    transaction,
    LOOK_UP_CLIENT_IDS,
    asked.filter(isIdentified),
    [uuids((send) => send.chatId), texts((send) => send.senderId), texts((send) => send.clientId)],
  );
  const lines = await locking;
  for (const row of rows) {
    const locked = lines.get(row.chat_id)?.locked;
    if (locked === undefined) continue;
    const { seq } = keepMessage(row, locked);
    const key = clientIdKey({ senderId: row.sender_id, clientId: row.client_id });
    locked.clientIds.set(key, { seq, sameContent: false });
  }
}

async function readReactions(
  transaction: Transaction,
  asked: ChatOperation[],
  locking: Promise<MutableLines>,
): Promise<void> {
  const keys = asked.filter((operation): operation is ReactOperation => operation.type === 'react');
  const rows = await queryRows<ReactOperation, ChatRow & { seq: string; user_id: string; emoji: string }>(
    transaction,
    LOOK_UP_REACTIONS,
    keys,
    [uuids((key) => key.chatId), bigints((key) => key.seq), texts((key) => key.userId), texts((key) => key.emoji)],
  );
  const lines = await locking;
  for (const row of rows)
    lines.get(row.chat_id)?.locked.reactions.add(reactionKey(Number(row.seq), row.user_id, row.emoji));
}

function keepMessage(row: MessageRow, locked: MutableLockedChat): MessageRecord {
  const message = readMessages([row.message], row.reactions)[0]!;
  locked.messages.set(message.seq, message);
  return message;
}
