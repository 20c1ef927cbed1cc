import { compactJson } from '../compact-json.js';
import type { ChatKind } from '../entities/chat.entity.js';
import type { MessageKind } from '../entities/message.entity.js';
import type { ParticipantRole } from '../entities/participant.entity.js';
import type { ChatRecord, MessageRecord, ParticipantRecord, ReactionSummary } from '../records.js';

/** Longest list of users named by one reaction summary. */
export const REACTION_USERS_SHOWN = 20;

/** A message as `messageArray` in `fragments.ts` writes it. */
export type MessageArray = [
  seq: number,
  version: number,
  senderId: string,
  clientId: string | null,
  kind: MessageKind,
  text: string | null,
  metadata: string | null,
  replyTo: number | null,
  createdMs: number,
  editedMs: number | null,
  deletedMs: number | null,
];

/** A reaction as `reactionArray` in `fragments.ts` writes it. */
export type ReactionArray = [seq: number, userId: string, emoji: string];

/** A participant as the statements write it; the time of leaving only where the statement asks for it. */
export type ParticipantArray = [
  userId: string,
  role: ParticipantRole,
  joinedMs: number,
  lastReadSeq: number,
  version: number,
  leftMs?: number | null,
];

/** Makes the message records of one chat out of message arrays and their reactions. O(messages + reactions). */
export function readMessages(
  messages: readonly MessageArray[] | null,
  reactions: readonly ReactionArray[] | null,
): MessageRecord[] {
  const bySeq = summarizeReactions(reactions ?? []);
  return (messages ?? []).map((row) => readMessage(row, bySeq.get(row[0]) ?? []));
}

/** The row of a chat as `chatColumns` in `fragments.ts` names it. */
export interface ChatColumns {
  readonly kind: ChatKind;
  readonly title: string | null;
  readonly metadata: string;
  readonly created_by: string | null;
  readonly created_ms: string;
  readonly updated_ms: string;
}

/** Makes a chat record out of a chat's columns. */
export function readChat(id: string, row: ChatColumns): ChatRecord {
  return {
    id,
    kind: row.kind,
    title: row.title,
    metadataJson: compactJson(row.metadata),
    createdBy: row.created_by,
    createdAtMs: Number(row.created_ms),
    updatedAtMs: Number(row.updated_ms),
  };
}

/** Makes a participant record out of a participant array. */
export function readParticipant(row: ParticipantArray): ParticipantRecord {
  return {
    userId: row[0],
    role: row[1],
    joinedAtMs: row[2],
    lastReadSeq: row[3],
    version: row[4],
    leftAtMs: row[5] ?? null,
  };
}

function readMessage(row: MessageArray, reactions: readonly ReactionSummary[]): MessageRecord {
  return {
    seq: row[0],
    version: row[1],
    senderId: row[2],
    clientId: row[3],
    kind: row[4],
    text: row[5],
    metadataJson: row[6] === null || row[6] === '{}' ? null : compactJson(row[6]),
    replyTo: row[7],
    createdAtMs: row[8],
    editedAtMs: row[9],
    deletedAtMs: row[10],
    reactions,
  };
}

/** Groups reactions by message and emoji, each group in the order in which its first reaction came. */
export function summarizeReactions(rows: readonly ReactionArray[]): Map<number, ReactionSummary[]> {
  const bySeq = new Map<number, Map<string, { emoji: string; count: number; userIds: string[] }>>();
  for (const [seq, userId, emoji] of rows) {
    let byEmoji = bySeq.get(seq);
    if (byEmoji === undefined) bySeq.set(seq, (byEmoji = new Map()));
    let summary = byEmoji.get(emoji);
    if (summary === undefined) byEmoji.set(emoji, (summary = { emoji, count: 0, userIds: [] }));
    summary.count++;
    if (summary.userIds.length < REACTION_USERS_SHOWN) summary.userIds.push(userId);
  }
  return new Map([...bySeq].map(([seq, byEmoji]) => [seq, [...byEmoji.values()]]));
}
