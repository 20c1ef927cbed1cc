import type { QueryResultRow } from 'pg';
import type { Statement, Transaction } from '../database.js';
import type { ChatRecord, HeadRecord, MessageRecord, ParticipantRecord } from '../records.js';
import { COUNT_UNREAD_AFTER } from '../statements/count-unread.js';
import { FIND_HEADS, LIMIT_LOCK_WAIT, LOCK_FREE_HEADS, LOCK_HEADS } from '../statements/lock-heads.js';
import {
  COUNT_PARTICIPANTS,
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
import type { ChatOperation, ReactOperation, SendOperation } from './chat-operation.js';
import { clientIdKey, reactionKey, unreadKey, type ClientIdMatch, type LockedChat } from './chat-state.js';

/** One chat of a batch: its locked head and everything that deciding its operations needs. */
export interface LockedLine {
  readonly head: HeadRecord;
  readonly locked: LockedChat;
}

interface MutableLockedChat extends LockedChat {
  chat: ChatRecord | undefined;
  participants: Map<string, ParticipantRecord>;
  messages: Map<number, MessageRecord>;
  clientIds: Map<string, ClientIdMatch>;
  reactions: Set<string>;
  unread: Map<string, number>;
  ownerCount: number;
  participantCount: number;
}

interface MutableLine {
  readonly head: HeadRecord;
  readonly locked: MutableLockedChat;
}

/** Those of the batch's chats that could be locked. */
type MutableLines = ReadonlyMap<string, MutableLine>;

interface MessageRow extends QueryResultRow {
  chat_id: string;
  message: MessageArray;
  reactions: ReactionArray[] | null;
}

/**
 * Locks the heads of the batch's chats and reads what the operations ask about: only the rows they name, each kind in
 * one statement, and no statement for what no operation needs.
 *
 * All of it is sent at once. The server runs one statement after the other, each with what was committed before it began, so
 * that what is read is as it was after the locks were taken; what was read of chats that could not be locked is left unused.
 *
 * @param isPatient - whether to wait for heads that somebody else has locked, or to pass them over.
 * @returns a line for each chat that is locked now, and the chats that were passed over; the others do not exist.
 */
export async function lockChats(
  transaction: Transaction,
  operations: ReadonlyMap<string, readonly ChatOperation[]>,
  isPatient: boolean,
): Promise<{ readonly lines: ReadonlyMap<string, LockedLine>; readonly passedOver: readonly string[] }> {
  const chatIds = [...operations.keys()];
  const asked = [...operations.values()].flat();
  // Each has sent its statement when it returns.
  const limited = isPatient ? [transaction.query(LIMIT_LOCK_WAIT, [])] : [];
  const locking = lockHeads(transaction, chatIds, isPatient);
  await Promise.all([
    ...limited,
    locking,
    readChats(transaction, chatIds, locking),
    readParticipants(transaction, asked, locking),
    readMessagesBySeq(transaction, asked, locking),
    readClientIds(transaction, asked, locking),
    readReactions(transaction, asked, locking),
  ]);
  const lines = await locking;
  await Promise.all([readUnread(transaction, asked, lines), readCounts(transaction, asked, lines)]);
  const missing = chatIds.filter((chatId) => !lines.has(chatId));
  const held = isPatient ? [] : await queryUnlessEmpty<{ chat_id: string }>(transaction, FIND_HEADS, [missing]);
  return { lines, passedOver: held.map((row) => row.chat_id) };
}

async function lockHeads(
  transaction: Transaction,
  chatIds: readonly string[],
  isPatient: boolean,
): Promise<MutableLines> {
  const heads = await transaction.query<{
    chat_id: string;
    last_seq: string;
    version: string;
    reset_version: string;
    now_ms: string;
  }>(isPatient ? LOCK_HEADS : LOCK_FREE_HEADS, [chatIds]);
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
  const rows = await queryUnlessEmpty<ChatColumns & { id: string }>(transaction, LOOK_UP_CHATS, [chatIds]);
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
  const rows = await queryUnlessEmpty<{ chat_id: string; participant: ParticipantArray }>(
    transaction,
    LOOK_UP_PARTICIPANTS,
    [keys.map((key) => key.chatId), keys.map((key) => key.userId)],
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
  const rows = await queryUnlessEmpty<MessageRow>(transaction, LOOK_UP_MESSAGES, [
    keys.map((key) => key.chatId),
    keys.map((key) => key.seq),
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
  const sends = asked.filter(
    (operation): operation is SendOperation => operation.type === 'send' && operation.clientId !== null,
  );
  const rows = await queryUnlessEmpty<MessageRow & { sender_id: string; client_id: string; same_content: boolean }>(
    transaction,
    LOOK_UP_CLIENT_IDS,
    [
      sends.map((send) => send.chatId),
      sends.map((send) => send.senderId),
      sends.map((send) => send.clientId),
      sends.map((send) => send.kind),
      sends.map((send) => send.text),
      sends.map((send) => send.metadataJson),
      sends.map((send) => send.replyTo),
    ],
  );
  const lines = await locking;
  for (const row of rows) {
    const locked = lines.get(row.chat_id)?.locked;
    if (locked === undefined) continue;
    const message = keepMessage(row, locked);
    const key = clientIdKey({ senderId: row.sender_id, clientId: row.client_id });
    locked.clientIds.set(key, { seq: message.seq, sameContent: row.same_content });
  }
}

async function readReactions(
  transaction: Transaction,
  asked: ChatOperation[],
  locking: Promise<MutableLines>,
): Promise<void> {
  const keys = asked.filter((operation): operation is ReactOperation => operation.type === 'react');
  const rows = await queryUnlessEmpty<{ chat_id: string; seq: string; user_id: string; emoji: string }>(
    transaction,
    LOOK_UP_REACTIONS,
    [
      keys.map((key) => key.chatId),
      keys.map((key) => key.seq),
      keys.map((key) => key.userId),
      keys.map((key) => key.emoji),
    ],
  );
  const lines = await locking;
  for (const row of rows)
    lines.get(row.chat_id)?.locked.reactions.add(reactionKey(Number(row.seq), row.user_id, row.emoji));
}

/** Counts where an owner may go, and nowhere else: it looks at every participant of the chat. */
async function readCounts(transaction: Transaction, asked: ChatOperation[], lines: MutableLines): Promise<void> {
  const chatIds = asked
    .filter((operation) => {
      if (operation.type !== 'join' && operation.type !== 'leave') return false;
      const participant = lines.get(operation.chatId)?.locked.participants.get(operation.userId);
      return participant?.role === 'owner' && participant.leftAtMs === null;
    })
    .map((operation) => operation.chatId);
  const rows = await queryUnlessEmpty<{ chat_id: string; participants: number; owners: number }>(
    transaction,
    COUNT_PARTICIPANTS,
    [chatIds],
  );
  for (const row of rows) {
    const locked = lines.get(row.chat_id)?.locked;
    if (locked === undefined) continue;
    locked.participantCount = row.participants;
    locked.ownerCount = row.owners;
  }
}

/**
 * Counts what users have not read from where the read markers of the batch may stand. A marker at the last message or
 * beyond, among the messages of the batch, has nothing behind it yet.
 */
async function readUnread(transaction: Transaction, asked: ChatOperation[], lines: MutableLines): Promise<void> {
  const keys = new Map<string, { chatId: string; userId: string; lastReadSeq: number }>();
  for (const operation of asked) {
    if (operation.type !== 'markRead') continue;
    const { chatId, userId } = operation;
    const line = lines.get(chatId);
    if (line === undefined) continue;
    const { head, locked } = line;
    const participant = locked.participants.get(userId);
    if (participant === undefined || participant.leftAtMs !== null) continue;
    const lastReadSeq = Math.max(operation.seq, participant.lastReadSeq);
    if (lastReadSeq < head.lastSeq)
      keys.set(`${chatId} ${unreadKey(userId, lastReadSeq)}`, { chatId, userId, lastReadSeq });
  }
  const rows = await queryUnlessEmpty<{ chat_id: string; user_id: string; last_read_seq: string; unread: string }>(
    transaction,
    COUNT_UNREAD_AFTER,
    [
      [...keys.values()].map((key) => key.chatId),
      [...keys.values()].map((key) => key.userId),
      [...keys.values()].map((key) => key.lastReadSeq),
    ],
  );
  for (const row of rows) {
    const key = unreadKey(row.user_id, Number(row.last_read_seq));
    lines.get(row.chat_id)!.locked.unread.set(key, Number(row.unread));
  }
}

function keepMessage(row: MessageRow, locked: MutableLockedChat): MessageRecord {
  const message = readMessages([row.message], row.reactions)[0]!;
  locked.messages.set(message.seq, message);
  return message;
}

async function queryUnlessEmpty<Row extends QueryResultRow>(
  transaction: Transaction,
  statement: Statement,
  columns: readonly (readonly unknown[])[],
): Promise<Row[]> {
  return columns[0]!.length === 0 ? [] : transaction.query<Row>(statement, columns);
}
