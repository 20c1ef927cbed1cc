import type { ChatRecord, MessageRecord, ParticipantRecord } from '../../storage/records.js';

/**
 * Writes a message as the API sends it. What has its default is left out: these bytes are what the memory is made of.
 */
export function messageJson(message: MessageRecord): string {
  let json = `{"seq":${message.seq},"senderId":${JSON.stringify(message.senderId)}`;
  if (message.deletedAtMs !== null) {
    return `${json},"deleted":true,"createdAt":"${timeText(message.createdAtMs)}","deletedAt":"${timeText(message.deletedAtMs)}"}`;
  }
  if (message.clientId !== null) json += `,"clientId":${JSON.stringify(message.clientId)}`;
  if (message.kind === 'system') json += `,"kind":"system"`;
  json += `,"text":${JSON.stringify(message.text)}`;
  if (message.metadataJson !== null) json += `,"metadata":${message.metadataJson}`;
  if (message.replyTo !== null) json += `,"replyTo":${message.replyTo}`;
  if (message.reactions.length > 0) json += `,"reactions":${JSON.stringify(message.reactions)}`;
  json += `,"createdAt":"${timeText(message.createdAtMs)}"`;
  if (message.editedAtMs !== null) json += `,"editedAt":"${timeText(message.editedAtMs)}"`;
  return `${json}}`;
}

/** Writes the part of a chat that changes rarely, open for {@link chatJson} to close. */
export function chatJsonPrefix(chat: ChatRecord): string {
  return (
    `{"id":"${chat.id}","kind":"${chat.kind}","title":${JSON.stringify(chat.title)},"metadata":${chat.metadataJson}` +
    `,"createdBy":${JSON.stringify(chat.createdBy)},"createdAt":"${timeText(chat.createdAtMs)}"` +
    `,"updatedAt":"${timeText(chat.updatedAtMs)}"`
  );
}

/** Writes a chat as the API sends it. */
export function chatJson(prefix: string, lastSeq: number, version: number, participantCount: number): string {
  return `${prefix},"lastSeq":${lastSeq},"version":${version},"participantCount":${participantCount}}`;
}

/** Writes a participant as the API sends it. */
export function participantJson(
  participant: Pick<ParticipantRecord, 'userId' | 'role' | 'joinedAtMs' | 'lastReadSeq'>,
): string {
  return (
    `{"userId":${JSON.stringify(participant.userId)},"role":"${participant.role}"` +
    `,"joinedAt":"${timeText(participant.joinedAtMs)}","lastReadSeq":${participant.lastReadSeq}}`
  );
}

let lastTimeMs = 0;
let lastTimeText = new Date(0).toISOString();

/** Writes a time: RFC 3339 in UTC with milliseconds. Messages of one commit have few different ones, and each is written more than once. */
export function timeText(timeMs: number): string {
  if (timeMs !== lastTimeMs) {
    lastTimeText = new Date(timeMs).toISOString();
    lastTimeMs = timeMs;
  }
  return lastTimeText;
}
