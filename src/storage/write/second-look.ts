import type { Transaction } from '../database.js';
import { COUNT_UNREAD_AFTER } from '../statements/count-unread.js';
import { COMPARE_CONTENTS, COUNT_PARTICIPANTS } from '../statements/look-up.js';
import type { ChatOperation, SendOperation } from './chat-operation.js';
import { clientIdKey, unreadKey } from './chat-state.js';
import type { ChatRow, MutableLines } from './locked-line.js';
import { bigints, queryRows, texts, uuids } from './row-columns.js';

/**
 * Reads what operations need to know only after what was read with the locks: what is unread behind a marker, who is left where an owner
 * goes, and whether a send that came before came with the same content. A round trip of its own, for the few batches that have such.
 */
export async function lookAgain(transaction: Transaction, asked: ChatOperation[], lines: MutableLines): Promise<void> {
  await Promise.all([
    readUnread(transaction, asked, lines),
    readCounts(transaction, asked, lines),
    compareContents(transaction, asked, lines),
  ]);
}

/** A send that may be repeated. */
export type IdentifiedSend = SendOperation & { readonly clientId: string };

/** Whether an operation is such a send. */
export function isIdentified(operation: ChatOperation): operation is IdentifiedSend {
  return operation.type === 'send' && operation.clientId !== null;
}

/** Compares sends with what was sent first by their client ids, where these are taken. */
async function compareContents(transaction: Transaction, asked: ChatOperation[], lines: MutableLines): Promise<void> {
  const repeated = asked.filter(isIdentified).flatMap((send) => {
    const match = lines.get(send.chatId)?.locked.clientIds.get(clientIdKey(send));
    return match === undefined ? [] : [{ send, match }];
  });
  const rows = await queryRows<(typeof repeated)[number], ChatRow & { seq: string; same_content: boolean }>(
    transaction,
    COMPARE_CONTENTS,
    repeated,
    [
      uuids(({ send }) => send.chatId),
      bigints(({ match }) => match.seq),
      texts(({ send }) => send.kind),
      texts(({ send }) => send.text),
      texts(({ send }) => send.metadataJson),
      bigints(({ send }) => send.replyTo),
    ],
  );
  const same = new Set(rows.filter((row) => row.same_content).map((row) => `${row.chat_id} ${row.seq}`));
  for (const { send, match } of repeated) {
    const sameContent = same.has(`${send.chatId} ${match.seq}`);
    lines.get(send.chatId)!.locked.clientIds.set(clientIdKey(send), { ...match, sameContent });
  }
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
  const rows = await queryRows<string, ChatRow & { participants: number; owners: number }>(
    transaction,
    COUNT_PARTICIPANTS,
    chatIds,
    [uuids((chatId) => chatId)],
  );
  for (const row of rows) {
    const locked = lines.get(row.chat_id)?.locked;
    if (locked === undefined) continue;
    locked.participantCount = row.participants;
    locked.ownerCount = row.owners;
  }
}

interface Marker {
  readonly chatId: string;
  readonly userId: string;
  readonly lastReadSeq: number;
}

/**
 * Counts what users have not read from where the read markers of the batch may stand. A marker at the last message or
 * beyond, among the messages of the batch, has nothing behind it yet.
 */
async function readUnread(transaction: Transaction, asked: ChatOperation[], lines: MutableLines): Promise<void> {
  const keys = new Map<string, Marker>();
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
  const rows = await queryRows<Marker, ChatRow & { user_id: string; last_read_seq: string; unread: string }>(
    transaction,
    COUNT_UNREAD_AFTER,
    [...keys.values()],
    [uuids((key) => key.chatId), texts((key) => key.userId), bigints((key) => key.lastReadSeq)],
  );
  for (const row of rows) {
    const key = unreadKey(row.user_id, Number(row.last_read_seq));
    lines.get(row.chat_id)!.locked.unread.set(key, Number(row.unread));
  }
}
