import { timeText } from '../cache/local/wire-json.js';
import type { ChatLine, MessageLine, UserLine } from '../storage/transfer-records.js';
import { CHAT_FIELDS, MESSAGE_FIELDS, USER_FIELDS } from './line-fields.js';

/** Writes a line of `users.jsonl`. A user whose name nobody told is called by their id. */
export function formatUserLine({ userId, name, metadataJson }: UserLine): string {
  return line({ id: userId, name: name ?? userId }, metadataJson, USER_FIELDS);
}

/** Writes a line of `chats.jsonl`. */
export function formatChatLine(chat: ChatLine): string {
  return line(
    {
      id: chat.chatId,
      title: chat.title ?? undefined,
      kind: chat.kind,
      created_at: timeText(chat.createdAtMs),
      updated_at: chat.updatedAtMs === chat.createdAtMs ? undefined : timeText(chat.updatedAtMs),
      created_by: chat.createdBy ?? undefined,
      last_seq: chat.lastSeq ?? undefined,
      participants: chat.participants?.map((participant) => ({
        user: participant.userId,
        role: participant.role,
        joined_at: timeText(participant.joinedAtMs),
        left_at: optionalTime(participant.leftAtMs),
        last_read_seq: participant.lastReadSeq,
      })),
    },
    chat.metadataJson,
    CHAT_FIELDS,
  );
}

/** Writes a line of `messages.jsonl`. */
export function formatMessageLine(message: MessageLine): string {
  return line(
    {
      chat: message.chatId,
      seq: message.seq,
      user: message.senderId,
      ts: timeText(message.createdAtMs),
      text: message.text ?? undefined,
      reply_to: message.replyTo ?? undefined,
      kind: message.kind === 'user' ? undefined : message.kind,
      client_id: message.clientId ?? undefined,
      edited_at: optionalTime(message.editedAtMs),
      deleted_at: optionalTime(message.deletedAtMs),
      reactions:
        message.reactions.length === 0
          ? undefined
          : message.reactions.map(({ userId, emoji, atMs }) => ({ user: userId, emoji, ts: timeText(atMs) })),
    },
    message.metadataJson,
    MESSAGE_FIELDS,
  );
}

/** Metadata becomes further fields, as it came; what is called like a field of ours goes into `metadata`. */
function line(
  fields: Readonly<Record<string, unknown>>,
  metadataJson: string | null,
  known: ReadonlySet<string>,
): string {
  if (metadataJson === null || metadataJson === '{}') return JSON.stringify(fields);
  const further: [string, unknown][] = [];
  const hidden: [string, unknown][] = [];
  for (const [key, value] of Object.entries(JSON.parse(metadataJson) as object)) {
    (known.has(key) ? hidden : further).push([key, value]);
  }
  const metadata = hidden.length === 0 ? {} : { metadata: Object.fromEntries(hidden) };
  return JSON.stringify({ ...fields, ...Object.fromEntries(further), ...metadata });
}

function optionalTime(timeMs: number | null): string | undefined {
  return timeMs === null ? undefined : timeText(timeMs);
}
