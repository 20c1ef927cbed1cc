import { Injectable } from '@nestjs/common';
import { compactJson } from './compact-json.js';
import { orUnavailable } from './database-unavailable.js';
import { Database } from './database.js';
import type { MessageKind } from './entities/message.entity.js';
import type { ChatRecord, MessageRecord, ParticipantRecord } from './records.js';
import { FIND_NEIGHBOURS } from './statements/find-neighbours.js';
import { LOAD_CHANGES } from './statements/load-changes.js';
import { LOAD_EDITS } from './statements/load-edits.js';
import { LOAD_MESSAGES } from './statements/load-messages.js';
import {
  readChat,
  readMessages,
  readParticipant,
  type ChatColumns,
  type MessageArray,
  type ParticipantArray,
  type ReactionArray,
} from './statements/read-rows.js';
import type { Actor, OperationResult } from './write/chat-operation.js';
import { GroupCommit } from './write/group-commit.js';

/** A message to be sent. */
export interface NewMessage {
  readonly chatId: string;
  readonly senderId: string;
  readonly text: string;
  /** Makes the send repeatable: the same id of the same sender in the same chat gives the first message again. */
  readonly clientId?: string | undefined;
  readonly kind?: MessageKind | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Seq of the message that this one answers. */
  readonly replyTo?: number | undefined;
  readonly createdAt?: Date | undefined;
}

/** Messages of one range as one snapshot has them, at `version`. */
export interface LoadedMessages {
  readonly version: number;
  readonly lastSeq: number;
  readonly messages: readonly MessageRecord[];
}

/** The messages next to a run of seqs that have none; `undefined` where there are no more. */
export interface MessageNeighbours {
  readonly older: number | undefined;
  readonly newer: number | undefined;
}

/** What changed in a chat after a version, as it is at `version`. */
export interface LoadedChanges {
  /** The chat's present version. */
  readonly version: number;
  readonly lastSeq: number;
  readonly chat: ChatRecord;
  readonly participantCount: number;
  /** Version up to which this page tells everything. */
  readonly throughVersion: number;
  /** Changes since an older version than this cannot be told. */
  readonly resetVersion: number;
  /** Whether who asks may see the chat, as it now is. */
  readonly isVisible: boolean;
  readonly messages: readonly MessageRecord[];
  /** Participants whose row changed, present or gone. */
  readonly participants: readonly ParticipantRecord[];
}

/** What one edit of a message replaced. */
export interface EditRecord {
  /** Chat version of the message's last change before the edit: it had this content then, perhaps earlier, if that was a reaction. */
  readonly version: number;
  readonly text: string;
  /** JSON object without white space, or `null` for none. */
  readonly metadataJson: string | null;
  readonly replacedAtMs: number;
}

/** What the edits of a message replaced, as one snapshot has it, at the chat's `version`. */
export interface LoadedEdits {
  readonly version: number;
  /** Oldest first, none for a tombstone; `undefined` when the chat has no such message. */
  readonly edits: readonly EditRecord[] | undefined;
}

/** The actor of calls that name none: the host application itself. */
const SERVICE: Actor = { type: 'service' };

/** Writes messages, and loads them for the cache. */
@Injectable()
export class MessageRepository {
  constructor(
    private readonly database: Database,
    private readonly commit: GroupCommit,
  ) {}

  /**
   * Sends a message. Resolves when it is committed and the cache has it.
   *
   * @throws ScrollbackError `chat_not_found`, `client_id_conflict`, `reply_target_missing`, or a 503 code.
   */
  createMessage(message: NewMessage, actor: Actor = SERVICE): Promise<OperationResult> {
    return this.commit.submit({
      type: 'send',
      chatId: message.chatId,
      actor,
      senderId: message.senderId,
      text: message.text,
      kind: message.kind ?? 'user',
      clientId: message.clientId ?? null,
      metadataJson: metadataJson(message.metadata) ?? null,
      replyTo: message.replyTo ?? null,
      createdAtMs: message.createdAt?.getTime() ?? null,
    });
  }

  /** Replaces a message's text or metadata, keeping what it replaces. Equal content changes nothing. */
  editMessage(
    chatId: string,
    seq: number,
    edit: { readonly text?: string | undefined; readonly metadata?: Readonly<Record<string, unknown>> | undefined },
    actor: Actor = SERVICE,
  ): Promise<OperationResult> {
    return this.commit.submit({
      type: 'edit',
      chatId,
      actor,
      seq,
      text: edit.text,
      metadataJson: metadataJson(edit.metadata),
    });
  }

  /** Turns a message into a tombstone: its text, metadata, reactions and edit history go. Idempotent. */
  deleteMessage(chatId: string, seq: number, actor: Actor = SERVICE): Promise<OperationResult> {
    return this.commit.submit({ type: 'delete', chatId, actor, seq });
  }

  /** Puts a user's emoji on a message, or takes it off. Idempotent. */
  react(
    chatId: string,
    seq: number,
    reaction: { readonly userId: string; readonly emoji: string; readonly present: boolean },
    actor: Actor = SERVICE,
  ): Promise<OperationResult> {
    return this.commit.submit({ type: 'react', chatId, actor, seq, ...reaction });
  }

  /**
   * Loads what edits of a message replaced; `undefined` when there is no such chat.
   *
   * @remarks Always from the database: edit histories are looked at rarely, and the cache holds none.
   */
  async loadEdits(chatId: string, seq: number): Promise<LoadedEdits | undefined> {
    const [row] = await orUnavailable(
      this.database.query<{ version: string; exists: boolean; edits: EditArray[] | null }>('read', LOAD_EDITS, [
        chatId,
        seq,
      ]),
    );
    if (row === undefined) return undefined;
    return { version: Number(row.version), edits: row.exists ? (row.edits ?? []).map(readEdit) : undefined };
  }

  /** Loads the messages from one seq to another, both included; `undefined` when the chat never existed. */
  async loadMessages(chatId: string, fromSeq: number, toSeq: number): Promise<LoadedMessages | undefined> {
    const [row] = await orUnavailable(
      this.database.query<{
        version: string;
        last_seq: string;
        messages: MessageArray[] | null;
        reactions: ReactionArray[] | null;
      }>('read', LOAD_MESSAGES, [chatId, fromSeq, toSeq]),
    );
    if (row === undefined) return undefined;
    return {
      version: Number(row.version),
      lastSeq: Number(row.last_seq),
      messages: readMessages(row.messages, row.reactions),
    };
  }

  /** Finds the last message before a run of seqs and the first one after it. */
  async findNeighbours(chatId: string, fromSeq: number, toSeq: number): Promise<MessageNeighbours> {
    const [row] = await orUnavailable(
      this.database.query<{ older: string | null; newer: string | null }>('read', FIND_NEIGHBOURS, [
        chatId,
        fromSeq,
        toSeq,
      ]),
    );
    return {
      older: row?.older == null ? undefined : Number(row.older),
      newer: row?.newer == null ? undefined : Number(row.newer),
    };
  }

  /**
   * Loads what changed after a version, oldest change first; `undefined` when there is no such chat.
   *
   * @param limit - changed rows at most; rows that share a version are not parted.
   * @param known - how many participants the chat is known to have had at a version.
   * @param viewer - a user who sees only chats that they are in; absent: who sees all.
   */
  async loadChanges(
    chatId: string,
    since: number,
    limit: number,
    known: { readonly participantCount: number; readonly version: number },
    viewer?: string,
  ): Promise<LoadedChanges | undefined> {
    const [row] = await orUnavailable(
      this.database.query<
        ChatColumns & {
          version: string;
          last_seq: string;
          reset_version: string;
          may_see: boolean;
          participant_count: number;
          rows: number;
          last_version: string | null;
          messages: MessageArray[] | null;
          reactions: ReactionArray[] | null;
          participants: ParticipantArray[] | null;
        }
      >('read', LOAD_CHANGES, [chatId, since, limit, known.participantCount, known.version, viewer ?? null]),
    );
    if (row === undefined) return undefined;
    const version = Number(row.version);
    return {
      version,
      lastSeq: Number(row.last_seq),
      chat: readChat(chatId, row),
      participantCount: row.participant_count,
      throughVersion: row.rows < limit ? version : Number(row.last_version),
      resetVersion: Number(row.reset_version),
      isVisible: row.may_see,
      messages: readMessages(row.messages, row.reactions),
      participants: (row.participants ?? []).map(readParticipant),
    };
  }
}

/** `undefined` keeps, `null` is none: an empty object is stored as none, so that it costs no byte. */
function metadataJson(metadata: Readonly<Record<string, unknown>> | undefined): string | null | undefined {
  if (metadata === undefined) return undefined;
  return Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata);
}

/** A replaced content as `LOAD_EDITS` writes it. */
type EditArray = [version: number, text: string, metadata: string | null, replacedMs: number];

function readEdit([version, text, metadata, replacedAtMs]: EditArray): EditRecord {
  const metadataJson = metadata === null || metadata === '{}' ? null : compactJson(metadata);
  return { version, text, metadataJson, replacedAtMs };
}
