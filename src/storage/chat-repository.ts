import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { canonicalJson } from '../common/canonical-json.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { uuidV7 } from '../common/uuid.js';
import { Database, type Transaction } from './database.js';
import { CommitOutcomeUnknownError } from './open-transaction.js';
import type { ChatKind } from './entities/chat.entity.js';
import type { ParticipantRole } from './entities/participant.entity.js';
import type { ChatRecord, HeadRecord, MessageRecord, ParticipantRecord } from './records.js';
import { orUnavailable } from './database-unavailable.js';
import { COUNT_UNREAD, COUNT_UNREAD_OF } from './statements/count-unread.js';
import { FIND_MEMBERS } from './statements/find-members.js';
import { LOAD_CHATS } from './statements/load-chats.js';
import { LOAD_INBOX } from './statements/load-inbox.js';
import { LOAD_USER_CHATS } from './statements/load-user-chats.js';
import {
  readChat,
  readMessages,
  readParticipant,
  type ChatColumns,
  type MessageArray,
  type ParticipantArray,
  type ReactionArray,
} from './statements/read-rows.js';
import { CREATE_CHAT, LOOK_UP_CREATION } from './statements/write-rows.js';
import { asCommitted } from './write/change.js';
import { ChangeFeed } from './write/change-feed.js';
import type { Actor, OperationResult } from './write/chat-operation.js';
import { GroupCommit } from './write/group-commit.js';
import { retryTransient } from './write/retry.js';

/** A chat to be created. */
export interface NewChat {
  /** A UUID; absent: a new one. The same id with the same content again is a replay. */
  readonly id?: string | undefined;
  readonly kind?: ChatKind | undefined;
  readonly title?: string | null | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Becomes an owner, unless `participants` gives them another role. */
  readonly createdBy?: string | null | undefined;
  readonly participants?: readonly { readonly userId: string; readonly role?: ParticipantRole | undefined }[];
}

/** A created chat, or the one that an equal request created before. */
export interface CreatedChat {
  readonly chatId: string;
  readonly version: number;
  /** False when the request was a replay. */
  readonly isNew: boolean;
}

/** A chat as one snapshot of the database has it, at `head.version`. */
export interface LoadedChat {
  readonly chatId: string;
  readonly head: HeadRecord;
  /** Lowest seq that has a message, one more than the last seq when none has: what is below has been purged. */
  readonly firstSeq: number;
  /** `undefined` when the chat is deleted. */
  readonly chat: ChatRecord | undefined;
  /** Active participants, in no order. */
  readonly participants: readonly ParticipantRecord[];
  /** The newest messages, ascending, without a gap up to the last one. */
  readonly messages: readonly MessageRecord[];
  /** Whether it was not read from the database itself but from what instances share. */
  readonly isShared?: boolean;
}

/** A user's unread count in one chat, and the version and read marker that it holds for. */
export interface UnreadCount {
  readonly chatId: string;
  readonly version: number;
  readonly lastReadSeq: number;
  readonly unread: number;
}

/** A user, and a chat that they may be in. */
export interface Membership {
  readonly chatId: string;
  readonly userId: string;
}

/** The actor of calls that name none: the host application itself. */
const SERVICE: Actor = { type: 'service' };

/** Writes chats and their participants, and loads chats for the cache. */
@Injectable()
export class ChatRepository {
  constructor(
    private readonly database: Database,
    private readonly commit: GroupCommit,
    private readonly feed: ChangeFeed,
  ) {}

  /**
   * Creates a chat with its first participants, at version 1.
   *
   * @throws ScrollbackError `chat_id_conflict` when the id belongs to another chat, or to a deleted one; or a 503 code.
   */
  async createChat(chat: NewChat): Promise<CreatedChat> {
    const chatId = chat.id?.toLowerCase() ?? uuidV7();
    const participants = withCreator(chat);
    const userIds = participants.map(({ userId }) => userId);
    const digest = creationDigest(chat, participants);
    const create = async (transaction: Transaction): Promise<CreatedChat> => {
      const rows = await transaction.query<{ version: string }>(CREATE_CHAT, [
        chatId,
        chat.kind ?? 'group',
        chat.title ?? null,
        JSON.stringify(chat.metadata ?? {}),
        chat.createdBy ?? null,
        digest,
        userIds,
        participants.map(({ role }) => role),
      ]);
      if (rows[0] !== undefined) return { chatId, version: Number(rows[0].version), isNew: true };
      const [existing] = await transaction.query<{ version: string; same_content: boolean }>(LOOK_UP_CREATION, [
        chatId,
        digest,
      ]);
      if (existing?.same_content !== true) {
        throw new ScrollbackError('chat_id_conflict', `The id ${chatId} belongs to another chat.`, [
          { field: 'id', message: 'is the id of another chat' },
        ]);
      }
      return { chatId, version: Number(existing.version), isNew: false };
    };
    // By id and digest: what was created all the same is found, and not created twice.
    const creating = retryTransient(() => this.database.transaction(create));
    creating.catch((error: unknown) => {
      if (error instanceof CommitOutcomeUnknownError) this.feed.announceUnknown(chatId);
    });
    const created = await orUnavailable(creating);
    if (created.isNew) {
      this.feed.announce(asCommitted({ chatId, changes: [{ type: 'created', version: created.version, userIds }] }));
    } else {
      this.feed.announceSeen(chatId, created.version);
    }
    return created;
  }

  /** Changes a chat's title or metadata; `undefined` keeps what is there. Equal content changes nothing. */
  updateChat(
    chatId: string,
    update: {
      readonly title?: string | null | undefined;
      readonly metadata?: Readonly<Record<string, unknown>> | undefined;
    },
    actor: Actor = SERVICE,
  ): Promise<OperationResult> {
    const metadataJson = update.metadata === undefined ? undefined : JSON.stringify(update.metadata);
    return this.commit.submit({ type: 'update', chatId, actor, title: update.title, metadataJson });
  }

  /** Deletes a chat for everybody. Its rows stay in the database, its id is not free again. */
  deleteChat(chatId: string, actor: Actor = SERVICE): Promise<OperationResult> {
    return this.commit.submit({ type: 'remove', chatId, actor });
  }

  /** Adds a participant, brings one back, or changes a role. Without a role: `member` if new, else as it was. */
  addParticipant(
    chatId: string,
    userId: string,
    role?: ParticipantRole,
    actor: Actor = SERVICE,
  ): Promise<OperationResult> {
    return this.commit.submit({ type: 'join', chatId, actor, userId, role });
  }

  /** Takes a participant out; one who has already left stays out. */
  removeParticipant(chatId: string, userId: string, actor: Actor = SERVICE): Promise<OperationResult> {
    return this.commit.submit({ type: 'leave', chatId, actor, userId });
  }

  /** Moves a participant's read marker forward, never back, and tells their unread count. */
  markRead(chatId: string, userId: string, seq: number, actor: Actor = SERVICE): Promise<OperationResult> {
    return this.commit.submit({ type: 'markRead', chatId, actor, userId, seq });
  }

  /**
   * Loads chats as one snapshot has them. Chats that never existed are missing from the answer.
   *
   * @param tail - how many of the newest messages are wanted at least; 0 for the last one alone.
   * @param blockSize - what is read of the messages starts at a multiple of this.
   */
  async loadChats(chatIds: readonly string[], tail: number, blockSize: number): Promise<LoadedChat[]> {
    const rows = await orUnavailable(this.database.query<LoadChatRow>('read', LOAD_CHATS, [chatIds, tail, blockSize]));
    return rows.map(readChatRow);
  }

  /** Loads the ids of the chats that a user is in. */
  async loadUserChats(userId: string): Promise<string[]> {
    const rows = await orUnavailable(this.database.query<{ chat_id: string }>('read', LOAD_USER_CHATS, [userId]));
    return rows.map((row) => row.chat_id);
  }

  /** Tells which of some users are in the chats that each is asked about. */
  async findMembers(asked: readonly Membership[]): Promise<Membership[]> {
    const rows = await orUnavailable(
      this.database.query<{ chat_id: string; user_id: string }>('read', FIND_MEMBERS, [
        asked.map(({ chatId }) => chatId),
        asked.map(({ userId }) => userId),
      ]),
    );
    return rows.map((row) => ({ chatId: row.chat_id, userId: row.user_id }));
  }

  /** Counts a user's unread messages. Chats that the user is not in are missing from the answer. */
  async countUnread(userId: string, chatIds: readonly string[]): Promise<UnreadCount[]> {
    const rows = await orUnavailable(
      this.database.query<{ chat_id: string; version: string; last_read_seq: string; unread: string }>(
        'read',
        COUNT_UNREAD,
        [userId, chatIds],
      ),
    );
    return rows.map((row) => ({
      chatId: row.chat_id,
      version: Number(row.version),
      lastReadSeq: Number(row.last_read_seq),
      unread: Number(row.unread),
    }));
  }

  /** Loads chats with their last message alone, and what a user has not read of each, as one snapshot has them. Chats that the user is not in are missing. */
  async loadInbox(userId: string, chatIds: readonly string[]): Promise<{ loaded: LoadedChat; unread: number }[]> {
    const rows = await orUnavailable(
      this.database.query<LoadChatRow & { unread: string }>('read', LOAD_INBOX, [chatIds, 0, 1, userId]),
    );
    return rows.map((row) => ({ loaded: readChatRow(row), unread: Number(row.unread) }));
  }

  /** Counts what members of chats have not read, each at the version that it tells. */
  async countUnreadOf(
    keys: readonly Membership[],
  ): Promise<{ chatId: string; userId: string; version: number; unread: number }[]> {
    const rows = await orUnavailable(
      this.database.query<{ chat_id: string; user_id: string; version: string; unread: string }>(
        'coherence',
        COUNT_UNREAD_OF,
        [keys.map(({ chatId }) => chatId), keys.map(({ userId }) => userId)],
      ),
    );
    return rows.map((row) => ({
      chatId: row.chat_id,
      userId: row.user_id,
      version: Number(row.version),
      unread: Number(row.unread),
    }));
  }
}

/** A chat's row as the statements that load chats name its columns. */
export interface LoadChatRow extends ChatColumns {
  readonly id: string;
  readonly version: string;
  readonly last_seq: string;
  readonly reset_version: string;
  readonly first_seq: string;
  readonly present: boolean;
  readonly participants: ParticipantArray[] | null;
  readonly messages?: MessageArray[] | null;
  readonly reactions: ReactionArray[] | null;
}

/** Makes a loaded chat out of its row. */
export function readChatRow(row: LoadChatRow): LoadedChat {
  return {
    chatId: row.id,
    head: {
      lastSeq: Number(row.last_seq),
      version: Number(row.version),
      resetVersion: Number(row.reset_version),
    },
    firstSeq: Number(row.first_seq),
    chat: row.present ? readChat(row.id, row) : undefined,
    participants: (row.participants ?? []).map(readParticipant),
    messages: readMessages(row.messages ?? null, row.reactions),
  };
}

function withCreator(chat: NewChat): { readonly userId: string; readonly role: ParticipantRole }[] {
  const roles = new Map<string, ParticipantRole>();
  if (typeof chat.createdBy === 'string') roles.set(chat.createdBy, 'owner');
  for (const { userId, role } of chat.participants ?? []) roles.set(userId, role ?? roles.get(userId) ?? 'member');
  return [...roles].map(([userId, role]) => ({ userId, role }));
}

function creationDigest(
  chat: NewChat,
  participants: readonly { readonly userId: string; readonly role: string }[],
): Buffer {
  const content = [
    chat.kind ?? 'group',
    chat.title ?? null,
    chat.metadata ?? {},
    chat.createdBy ?? null,
    participants.map(({ userId, role }) => [userId, role]).sort(([one], [other]) => (one! < other! ? -1 : 1)),
  ];
  return createHash('sha256').update(canonicalJson(content)).digest();
}
