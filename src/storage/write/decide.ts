import { isDeepStrictEqual } from 'node:util';
import { ScrollbackError } from '../../common/scrollback-error.js';
import { isCountable, type HeadRecord, type MessageRecord, type ParticipantRecord } from '../records.js';
import { checkRights } from './access-rules.js';
import { chatNotFound, messageDeleted, messageNotFound, participantNotFound } from './chat-errors.js';
import type {
  ChatOperation,
  DeleteOperation,
  EditOperation,
  JoinOperation,
  LeaveOperation,
  MarkReadOperation,
  ReactOperation,
  SendOperation,
  UpdateOperation,
} from './chat-operation.js';
import { clientIdKey, reactionKey, type Decision, type LockedChat } from './chat-state.js';
import { requireRoomFor } from './reaction-rules.js';
import { ReactionTally } from './reaction-tally.js';
import { UnreadTally } from './unread-tally.js';

/**
 * Decides the operations of one chat in the order they came: who is refused, which seq and version each gets, what is
 * written and what is announced.
 *
 * A pure function of what was read under the chat's lock, so that a refused or repeated operation takes no seq and no
 * version: numbers are given out only here, one by one, to what will be written. Operations of one batch never concern
 * the same row or client id, since the group commit parts those (`batch-keys.ts`); but for read markers and the reactions to one message,
 * which are kept account of here.
 */
export function decideAll(
  head: HeadRecord,
  locked: LockedChat,
  operations: readonly ChatOperation[],
): { readonly decisions: readonly Decision[]; readonly head: HeadRecord } {
  const line = new Line(head, locked);
  const decisions = operations.map((operation): Decision => {
    try {
      return line.decide(operation);
    } catch (error) {
      if (error instanceof ScrollbackError) return { operation, error };
      throw error;
    }
  });
  return { decisions, head: { ...head, lastSeq: line.lastSeq, version: line.version } };
}

class Line {
  lastSeq: number;
  version: number;
  readonly #unread: UnreadTally;
  /** Participants whose read marker the batch has moved. */
  readonly #moved = new Map<string, ParticipantRecord>();
  readonly #reactions = new ReactionTally();

  constructor(
    head: HeadRecord,
    private readonly locked: LockedChat,
  ) {
    this.lastSeq = head.lastSeq;
    this.version = head.version;
    this.#unread = new UnreadTally(head, locked);
  }

  decide(operation: ChatOperation): Decision {
    const decision = this.#decide(operation);
    if ('change' in decision && decision.change?.type === 'message') this.#unread.note(decision.change);
    const react = 'writes' in decision ? decision.writes?.react : undefined;
    if (react !== undefined) this.#reactions.note(this.#requireMessage(react.seq), react, this.version);
    return decision;
  }

  #decide(operation: ChatOperation): Decision {
    if (this.locked.chat === undefined) throw chatNotFound(operation.chatId);
    checkRights(operation, this.locked);
    switch (operation.type) {
      case 'send':
        return this.#send(operation);
      case 'edit':
        return this.#edit(operation);
      case 'delete':
        return this.#delete(operation);
      case 'react':
        return this.#react(operation);
      case 'markRead':
        return this.#markRead(operation);
      case 'join':
        return this.#join(operation);
      case 'leave':
        return this.#leave(operation);
      case 'update':
        return this.#update(operation, this.locked.chat);
      case 'remove':
        this.version++;
        return {
          operation,
          result: { version: this.version },
          writes: { removeChat: true },
          change: { type: 'removed', version: this.version },
        };
    }
  }

  #send(operation: SendOperation): Decision {
    if (operation.clientId !== null) {
      const replay = this.#findReplay(operation);
      if (replay !== undefined) {
        return { operation, result: { version: this.version, message: replay, replayed: true } };
      }
    }
    if (operation.replyTo !== null && !this.locked.messages.has(operation.replyTo)) {
      throw new ScrollbackError('reply_target_missing', `There is no message ${operation.replyTo} to reply to.`, [
        { field: 'replyTo', message: 'names a message that does not exist in this chat' },
      ]);
    }
    this.version++;
    this.lastSeq++;
    const message: MessageRecord = {
      seq: this.lastSeq,
      version: this.version,
      senderId: operation.senderId,
      clientId: operation.clientId,
      kind: operation.kind,
      text: operation.text,
      metadataJson: operation.metadataJson,
      replyTo: operation.replyTo,
      createdAtMs: operation.createdAtMs ?? this.locked.nowMs,
      editedAtMs: null,
      deletedAtMs: null,
      reactions: [],
    };
    return {
      operation,
      result: { version: this.version, message, replayed: false },
      writes: { insert: message },
      change: { type: 'message', version: this.version, cause: 'sent', message, wasCountable: false },
    };
  }

  /** The message that this send repeats, if any. */
  #findReplay(operation: SendOperation): MessageRecord | undefined {
    const stored = this.locked.clientIds.get(clientIdKey(operation));
    if (stored === undefined) return undefined;
    if (!stored.sameContent) {
      throw new ScrollbackError(
        'client_id_conflict',
        'The sender has already used this clientId in this chat for another message.',
        [{ field: 'clientId', message: 'was used for other content' }],
      );
    }
    return this.locked.messages.get(stored.seq);
  }

  #edit(operation: EditOperation): Decision {
    const before = this.#requireMessage(operation.seq);
    if (before.deletedAtMs !== null) throw messageDeleted(operation.seq);
    const text = operation.text ?? before.text;
    const metadataJson = operation.metadataJson === undefined ? before.metadataJson : operation.metadataJson;
    if (text === before.text && isSameJson(metadataJson, before.metadataJson)) {
      return { operation, result: { version: this.version, message: before } };
    }
    this.version++;
    const after = { ...before, version: this.version, text, metadataJson, editedAtMs: this.locked.nowMs };
    return {
      operation,
      result: { version: this.version, message: after },
      writes: { edit: { before, after } },
      change: {
        type: 'message',
        version: this.version,
        cause: 'edited',
        message: after,
        wasCountable: isCountable(before),
      },
    };
  }

  #delete(operation: DeleteOperation): Decision {
    const before = this.#requireMessage(operation.seq);
    if (before.deletedAtMs !== null) return { operation, result: { version: this.version } };
    this.version++;
    const message: MessageRecord = {
      ...before,
      version: this.version,
      text: null,
      metadataJson: null,
      deletedAtMs: this.locked.nowMs,
      reactions: [],
    };
    return {
      operation,
      result: { version: this.version, message },
      writes: { tombstone: message },
      change: { type: 'message', version: this.version, cause: 'deleted', message, wasCountable: isCountable(before) },
    };
  }

  #react(operation: ReactOperation): Decision {
    const before = this.#requireMessage(operation.seq);
    const { seq, userId, emoji, present } = operation;
    // A deleted message has no reactions: whoever takes theirs off has what they want.
    if (before.deletedAtMs !== null && present) throw messageDeleted(operation.seq);
    if (this.locked.reactions.has(reactionKey(seq, userId, emoji)) === present) {
      return { operation, result: { version: this.version } };
    }
    if (present) requireRoomFor(emoji, before);
    this.version++;
    const message = { ...before, version: this.version };
    return {
      operation,
      result: { version: this.version, message },
      writes: { react: { seq, userId, emoji, present } },
      change: { type: 'message', version: this.version, cause: 'reacted', message, wasCountable: isCountable(before) },
    };
  }

  #markRead(operation: MarkReadOperation): Decision {
    const before = this.#moved.get(operation.userId) ?? this.locked.participants.get(operation.userId);
    if (before === undefined || before.leftAtMs !== null) throw participantNotFound(operation.userId);
    if (operation.seq > this.lastSeq) {
      throw new ScrollbackError('read_beyond_end', `The chat ends at seq ${this.lastSeq}.`, [
        { field: 'seq', message: `is beyond the last message, ${this.lastSeq}` },
      ]);
    }
    const unread = this.#unread.count(operation.userId, Math.max(operation.seq, before.lastReadSeq));
    if (operation.seq <= before.lastReadSeq) {
      return { operation, result: { version: this.version, participant: before, unread } };
    }
    this.version++;
    const participant = { ...before, lastReadSeq: operation.seq, version: this.version };
    this.#moved.set(operation.userId, participant);
    return {
      operation,
      result: { version: this.version, participant, unread },
      writes: { marker: participant },
      change: { type: 'participant', version: this.version, cause: 'read', participant, unread },
    };
  }

  #join(operation: JoinOperation): Decision {
    const before = this.locked.participants.get(operation.userId);
    const isNew = before === undefined || before.leftAtMs !== null;
    const role = operation.role ?? (before !== undefined && !isNew ? before.role : 'member');
    if (!isNew && before.role === role) {
      return { operation, result: { version: this.version, participant: before, isNew: false } };
    }
    if (!isNew && before.role === 'owner') this.#requireOtherOwner(operation.userId);
    this.version++;
    const participant: ParticipantRecord = {
      userId: operation.userId,
      role,
      joinedAtMs: isNew ? this.locked.nowMs : before.joinedAtMs,
      leftAtMs: null,
      lastReadSeq: before?.lastReadSeq ?? 0,
      version: this.version,
    };
    return {
      operation,
      result: { version: this.version, participant, isNew },
      writes: { participant },
      change: { type: 'participant', version: this.version, cause: isNew ? 'joined' : 'changed', participant },
    };
  }

  #leave(operation: LeaveOperation): Decision {
    const before = this.locked.participants.get(operation.userId);
    if (before === undefined) throw participantNotFound(operation.userId);
    if (before.leftAtMs !== null) return { operation, result: { version: this.version } };
    if (before.role === 'owner' && this.locked.participantCount > 1) this.#requireOtherOwner(operation.userId);
    this.version++;
    const participant = { ...before, leftAtMs: this.locked.nowMs, version: this.version };
    return {
      operation,
      result: { version: this.version },
      writes: { participant },
      change: { type: 'participant', version: this.version, cause: 'left', participant },
    };
  }

  #update(operation: UpdateOperation, before: NonNullable<LockedChat['chat']>): Decision {
    const title = operation.title === undefined ? before.title : operation.title;
    const metadataJson = operation.metadataJson ?? before.metadataJson;
    if (title === before.title && isSameJson(metadataJson, before.metadataJson)) {
      return { operation, result: { version: this.version } };
    }
    this.version++;
    const chat = { ...before, title, metadataJson, updatedAtMs: this.locked.nowMs };
    return {
      operation,
      result: { version: this.version },
      writes: { chat: { before, after: chat } },
      change: { type: 'chat', version: this.version, chat },
    };
  }

  #requireMessage(seq: number): MessageRecord {
    const message = this.#reactions.find(seq) ?? this.locked.messages.get(seq);
    if (message === undefined) throw messageNotFound(seq);
    return message;
  }

  #requireOtherOwner(userId: string): void {
    if (this.locked.chat?.kind === 'direct' || this.locked.ownerCount > 1) return;
    throw new ScrollbackError('last_owner', `${userId} is the last owner: make somebody else an owner first.`);
  }
}

function isSameJson(one: string | null, other: string | null): boolean {
  return one === other || isDeepStrictEqual(JSON.parse(one ?? '{}'), JSON.parse(other ?? '{}'));
}
