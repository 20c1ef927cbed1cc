import type { Statement, Transaction } from '../database.js';
import { LOCK_FREE_CHATS, LOCK_FREE_MESSAGES, LOCK_FREE_PARTICIPANTS } from '../statements/lock-rows.js';
import type { ChatOperation } from './chat-operation.js';
import type { ChatRow, MutableLines, MutableLockedChat } from './locked-line.js';
import { bigints, queryRows, texts, uuids, type Column } from './row-columns.js';

interface MessageKey {
  readonly chatId: string;
  readonly seq: number;
}

interface MemberKey {
  readonly chatId: string;
  readonly userId: string;
}

/**
 * Finds the chats of which somebody else has locked a row that operations are to write, and locks those rows of the others. Waits for
 * nothing, and costs a round trip.
 *
 * @param lines - the chats whose heads are locked, with what the operations ask about.
 */
export async function findHeldChats(
  transaction: Transaction,
  asked: readonly ChatOperation[],
  lines: MutableLines,
): Promise<ReadonlySet<string>> {
  const messages = new Map<string, MessageKey>();
  const members = new Map<string, MemberKey>();
  const chats = new Set<string>();
  for (const operation of asked) {
    const locked = lines.get(operation.chatId)?.locked;
    if (locked !== undefined) noteRows(operation, locked, { messages, members, chats });
  }
  const chatId = uuids((key: { readonly chatId: string }) => key.chatId);
  const held = await Promise.all([
    lockFree(transaction, LOCK_FREE_MESSAGES, [...messages.values()], [chatId, bigints((key) => key.seq)]),
    lockFree(transaction, LOCK_FREE_PARTICIPANTS, [...members.values()], [chatId, texts((key) => key.userId)]),
    lockFree(
      transaction,
      LOCK_FREE_CHATS,
      [...chats].map((id) => ({ chatId: id })),
      [chatId],
    ),
  ]);
  return new Set(held.flat());
}

/** Notes the rows that are there and that an operation may write. */
function noteRows(
  operation: ChatOperation,
  locked: MutableLockedChat,
  rows: {
    readonly messages: Map<string, MessageKey>;
    readonly members: Map<string, MemberKey>;
    readonly chats: Set<string>;
  },
): void {
  const { chatId } = operation;
  switch (operation.type) {
    case 'edit':
    case 'delete':
    case 'react':
      if (locked.messages.has(operation.seq)) {
        rows.messages.set(`${chatId} ${operation.seq}`, { chatId, seq: operation.seq });
      }
      break;
    case 'markRead':
    case 'join':
    case 'leave':
      if (locked.participants.has(operation.userId)) {
        rows.members.set(`${chatId} ${operation.userId}`, { chatId, userId: operation.userId });
      }
      break;
    case 'update':
    case 'remove':
      if (locked.chat !== undefined) rows.chats.add(chatId);
      break;
    case 'send':
  }
}

/** @returns the chats of those rows that could not be locked. */
async function lockFree<Row extends { readonly chatId: string }>(
  transaction: Transaction,
  statement: Statement,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<string[]> {
  const left = new Map<string, number>();
  for (const { chatId } of rows) left.set(chatId, (left.get(chatId) ?? 0) + 1);
  for (const { chat_id: chatId } of await queryRows<Row, ChatRow>(transaction, statement, rows, columns)) {
    left.set(chatId, left.get(chatId)! - 1);
  }
  return [...left].flatMap(([chatId, count]) => (count === 0 ? [] : [chatId]));
}
