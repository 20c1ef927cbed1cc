import type { QueryResultRow } from 'pg';
import type { ChatRecord, HeadRecord, MessageRecord, ParticipantRecord } from '../records.js';
import type { ClientIdMatch, LockedChat } from './chat-state.js';

/** One chat of a batch: its locked head and everything that deciding its operations needs. */
export interface LockedLine {
  readonly head: HeadRecord;
  readonly locked: LockedChat;
}

/** A {@link LockedChat} that is still being read. */
export interface MutableLockedChat extends LockedChat {
  chat: ChatRecord | undefined;
  participants: Map<string, ParticipantRecord>;
  messages: Map<number, MessageRecord>;
  clientIds: Map<string, ClientIdMatch>;
  reactions: Set<string>;
  unread: Map<string, number>;
  ownerCount: number;
  participantCount: number;
}

/** A {@link LockedLine} that is still being read. */
export interface MutableLine {
  readonly head: HeadRecord;
  readonly locked: MutableLockedChat;
}

/** Those of the batch's chats that could be locked. */
export type MutableLines = ReadonlyMap<string, MutableLine>;

/** A row that tells something of one chat. */
export interface ChatRow extends QueryResultRow {
  chat_id: string;
}
