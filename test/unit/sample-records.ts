import type { LoadedChat } from '../../src/storage/chat-repository.js';
import type { ChatRecord, MessageRecord, ParticipantRecord } from '../../src/storage/records.js';

/** A time that every record has unless told otherwise. */
export const SAMPLE_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

/** A message that a person wrote, with what is named changed. */
export function sampleMessage(message: Partial<MessageRecord> & { readonly seq: number }): MessageRecord {
  return {
    version: message.seq + 1,
    senderId: 'alice',
    clientId: null,
    kind: 'user',
    text: `message ${message.seq}`,
    metadataJson: null,
    replyTo: null,
    createdAtMs: SAMPLE_MS + message.seq,
    editedAtMs: null,
    deletedAtMs: null,
    reactions: [],
    ...message,
  };
}

/** A member who has read nothing, with what is named changed. */
export function sampleParticipant(
  participant: Partial<ParticipantRecord> & { readonly userId: string },
): ParticipantRecord {
  return { role: 'member', joinedAtMs: SAMPLE_MS, leftAtMs: null, lastReadSeq: 0, version: 1, ...participant };
}

/** The row of a group without a title. */
export function sampleChat(chatId: string): ChatRecord {
  return {
    id: chatId,
    kind: 'group',
    title: null,
    metadataJson: '{}',
    createdBy: null,
    createdAtMs: SAMPLE_MS,
    updatedAtMs: SAMPLE_MS,
  };
}

/** A chat as a fill reads it: messages 1 to `lastSeq`, of which the newest `tail` are there. */
export function sampleLoadedChat(
  chatId: string,
  {
    lastSeq = 0,
    tail = lastSeq,
    userIds = ['alice'],
  }: { lastSeq?: number; tail?: number; userIds?: readonly string[] } = {},
): LoadedChat {
  return {
    chatId,
    head: { lastSeq, version: lastSeq + 1, resetVersion: 0 },
    firstSeq: 1,
    chat: sampleChat(chatId),
    participants: userIds.map((userId) => sampleParticipant({ userId })),
    messages: Array.from({ length: tail }, (_unused, at) => sampleMessage({ seq: lastSeq - tail + at + 1 })),
  };
}

/** A chat id that says which one it is. */
export function sampleChatId(number: number): string {
  return `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
}
