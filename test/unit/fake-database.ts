import type { LoadedChat, Membership, UnreadCount } from '../../src/storage/chat-repository.js';
import type { DatabaseRun, HeadPoll } from '../../src/storage/head-repository.js';
import type { LoadedChanges, LoadedMessages } from '../../src/storage/message-repository.js';
import { isCountable, type ChatRecord, type MessageRecord, type ParticipantRecord } from '../../src/storage/records.js';
import type { TailChat } from '../../src/storage/tail-repository.js';
import type { Change } from '../../src/storage/write/change.js';
import { COPY_HEADER, COPY_TRAILER, copyRow } from './copy-rows.js';
import { SAMPLE_MS, sampleChat, sampleMessage, sampleParticipant } from './sample-records.js';

/** One chat at one version: everything that a reader could be told of it. */
export interface ChatState {
  readonly version: number;
  readonly lastSeq: number;
  /** Changes since an older version cannot be told any more. */
  readonly resetVersion: number;
  readonly chat: ChatRecord | undefined;
  readonly participants: ReadonlyMap<string, ParticipantRecord>;
  readonly messages: ReadonlyMap<number, MessageRecord>;
}

/** A write to be committed; `seq` and `userId` name what is there, else the write comes to nothing. */
export type Write =
  | { readonly type: 'create'; readonly userIds: readonly string[]; readonly lastSeq?: number }
  | { readonly type: 'send'; readonly senderId: string; readonly kind?: 'user' | 'system' }
  | { readonly type: 'edit' | 'delete'; readonly seq: number }
  | { readonly type: 'join' | 'leave' | 'promote'; readonly userId: string }
  | { readonly type: 'read'; readonly userId: string; readonly seq: number }
  | { readonly type: 'title'; readonly title: string }
  | { readonly type: 'remove' };

const ABSENT: ChatState = {
  version: 0,
  lastSeq: 0,
  resetVersion: 0,
  chat: undefined,
  participants: new Map(),
  messages: new Map(),
};

/**
 * The database's part in the protocol: chats with a history of versions, statements that read one of them whole. It
 * remembers every version, so that whatever a reader was told can be held against the version that it names.
 */
export class FakeDatabase {
  readonly #histories = new Map<string, ChatState[]>();
  /** Commits so far: what the real one has transaction ids for. */
  #commits = 0;
  #epoch = 1;
  #crashes = 0;
  readonly #changedAt = new Map<string, number>();

  /** Identity of the present history. */
  get epoch(): string {
    return String(this.#epoch);
  }

  /** The run of its server. */
  get run(): string {
    return `${this.#epoch} ${this.#crashes}`;
  }

  /** The chat as it was at a version, or is. */
  state(chatId: string, version?: number): ChatState {
    const history = this.#histories.get(chatId) ?? [];
    const state = version === undefined ? history.at(-1) : history[version - 1];
    if (version !== undefined && version > 0 && state === undefined)
      throw new Error(`no version ${version} of ${chatId}`);
    return state ?? ABSENT;
  }

  /** Every version of a chat from one to the present one. */
  statesSince(chatId: string, version: number): ChatState[] {
    const history = [ABSENT, ...(this.#histories.get(chatId) ?? [])];
    return history.slice(version);
  }

  /** Commits a write. @returns its change, or `undefined` when it changed nothing. */
  commit(chatId: string, write: Write): Change | undefined {
    const before = this.state(chatId);
    const after = applyWrite(chatId, before, write);
    if (after === undefined) return undefined;
    const history = this.#histories.get(chatId) ?? [];
    this.#histories.set(chatId, [...history, after.state]);
    this.#changedAt.set(chatId, ++this.#commits);
    return after.change;
  }

  /** Somebody deletes the rows of the oldest messages. Nobody announces it. */
  purge(chatId: string, throughSeq: number): void {
    const before = this.state(chatId);
    if (before.version === 0) return;
    const version = before.version + 1;
    const messages = new Map([...before.messages].filter(([seq]) => seq > throughSeq));
    this.#histories.set(chatId, [
      ...this.#histories.get(chatId)!,
      { ...before, version, resetVersion: version, messages },
    ]);
    this.#changedAt.set(chatId, ++this.#commits);
  }

  /** The server breaks off, and a chat is as it was at an earlier version: what came after was not on the disk. */
  crash(chatId: string, version: number): void {
    this.#histories.set(chatId, this.#histories.get(chatId)!.slice(0, version));
    this.#crashes++;
  }

  /** Everything is as it was when a chat had an earlier version, and the ids of transactions begin anew: the database has been restored. */
  restore(chatId: string, version: number): void {
    this.#histories.set(chatId, this.#histories.get(chatId)!.slice(0, version));
    this.#epoch++;
    this.#commits = 0;
    this.#changedAt.clear();
  }

  loadChats(chatIds: readonly string[], tail: number, blockSize: number): LoadedChat[] {
    return chatIds.flatMap((chatId) => {
      const { version, lastSeq, resetVersion, chat, participants, messages } = this.state(chatId);
      if (version === 0) return [];
      const after =
        tail === 0 ? Math.max(0, lastSeq - 1) : Math.floor(Math.max(0, lastSeq - tail) / blockSize) * blockSize;
      return {
        chatId,
        head: { version, lastSeq, resetVersion },
        firstSeq: firstSeqOf({ lastSeq, messages }),
        chat,
        participants: [...participants.values()].filter(({ leftAtMs }) => leftAtMs === null),
        messages: [...messages.values()].filter(({ seq }) => seq > after),
      };
    });
  }

  /** What the stream of tails gives: the chats, and by chat their messages as the bytes that COPY sends. */
  loadTails(chatIds: readonly string[], tail: number, blockSize: number): { chats: TailChat[]; data: Buffer[][] } {
    const loaded = this.loadChats(chatIds, tail, blockSize);
    const rows = loaded.map(({ chatId, messages }) =>
      messages.map((message) => copyRow(chatIds.indexOf(chatId), message)),
    );
    return {
      chats: loaded.map((chat) => ({ loaded: { ...chat, messages: [] }, reactions: new Map() })),
      data: [[COPY_HEADER], ...rows.filter((each) => each.length > 0), [COPY_TRAILER]],
    };
  }

  loadMessages(chatId: string, fromSeq: number, toSeq: number): LoadedMessages | undefined {
    const { version, lastSeq, messages } = this.state(chatId);
    if (version === 0) return undefined;
    return { version, lastSeq, messages: [...messages.values()].filter(({ seq }) => seq >= fromSeq && seq <= toSeq) };
  }

  loadChanges(
    chatId: string,
    since: number,
    limit: number,
    _known?: unknown,
    viewer?: string,
  ): LoadedChanges | undefined {
    const { version, lastSeq, resetVersion, chat, participants, messages } = this.state(chatId);
    if (chat === undefined) return undefined;
    const isLater = (row: { readonly version: number }): boolean => row.version > since;
    const changed = [...messages.values(), ...participants.values()].filter(isLater).map((row) => row.version);
    const last = changed.toSorted((one, other) => one - other)[limit - 1];
    const isTold = (row: { readonly version: number }): boolean => isLater(row) && row.version <= (last ?? version);
    return {
      version,
      lastSeq,
      resetVersion,
      isVisible: viewer === undefined || isMember(this.state(chatId), viewer),
      chat,
      participantCount: [...participants.values()].filter(({ leftAtMs }) => leftAtMs === null).length,
      throughVersion: last ?? version,
      messages: [...messages.values()].filter(isTold),
      participants: [...participants.values()].filter(isTold),
    };
  }

  loadUserChats(userId: string): string[] {
    return [...this.#histories.keys()].filter((chatId) => isMember(this.state(chatId), userId));
  }

  countUnread(userId: string, chatIds: readonly string[]): UnreadCount[] {
    return chatIds.flatMap((chatId) => {
      const state = this.state(chatId);
      const participant = state.participants.get(userId);
      if (participant === undefined || participant.leftAtMs !== null) return [];
      const { lastReadSeq } = participant;
      return { chatId, version: state.version, lastReadSeq, unread: unreadIn(state, userId) };
    });
  }

  loadInbox(userId: string, chatIds: readonly string[]): { loaded: LoadedChat; unread: number }[] {
    const unread = new Map(this.countUnread(userId, chatIds).map((each) => [each.chatId, each.unread]));
    const loaded = this.loadChats(chatIds, 0, 1).filter(({ chatId }) => unread.has(chatId));
    return loaded.map((chat) => ({ loaded: chat, unread: unread.get(chat.chatId)! }));
  }

  pollHeads(horizon: string | undefined): HeadPoll {
    const changed = [...this.#changedAt].filter(([, at]) => at > Number(horizon ?? Infinity));
    return {
      horizon: String(this.#commits),
      epoch: this.epoch,
      run: this.run,
      changed: changed.map(([chatId]) => ({ chatId, version: this.state(chatId).version })),
      next: undefined,
    };
  }

  findVersions(chatIds: readonly string[]): DatabaseRun & { versions: Map<string, number> } {
    const versions = new Map(chatIds.map((chatId) => [chatId, this.state(chatId).version]));
    return { epoch: this.epoch, run: this.run, versions };
  }

  findMembers(asked: readonly Membership[]): Membership[] {
    return asked.filter(({ chatId, userId }) => isMember(this.state(chatId), userId));
  }

  findMemberships(chatIds: readonly string[], userIds: readonly string[]): { chatId: string; userId: string }[] {
    return chatIds.flatMap((chatId) =>
      userIds.filter((userId) => isMember(this.state(chatId), userId)).map((userId) => ({ chatId, userId })),
    );
  }
}

/** Lowest seq that has a message, one more than the last when none has. */
export function firstSeqOf({ lastSeq, messages }: Pick<ChatState, 'lastSeq' | 'messages'>): number {
  return Math.min(lastSeq + 1, ...messages.keys());
}

/** Whether a user is in a chat that is there. */
export function isMember({ chat, participants }: ChatState, userId: string): boolean {
  return chat !== undefined && participants.get(userId)?.leftAtMs === null;
}

/** The definition: messages of others behind the read marker that are neither deleted nor system messages. */
export function unreadIn({ participants, messages }: ChatState, userId: string): number {
  const lastReadSeq = participants.get(userId)?.lastReadSeq ?? 0;
  return [...messages.values()].filter(
    (message) => message.seq > lastReadSeq && message.senderId !== userId && isCountable(message),
  ).length;
}

interface Committed {
  readonly state: ChatState;
  readonly change: Change;
}

function applyWrite(chatId: string, before: ChatState, write: Write): Committed | undefined {
  const version = before.version + 1;
  if (write.type === 'create') {
    if (before.version > 0) return undefined;
    return createChat(chatId, write.userIds, write.lastSeq ?? 0);
  }
  if (before.chat === undefined) return undefined;
  switch (write.type) {
    case 'send': {
      const { senderId, kind = 'user' } = write;
      const message = sampleMessage({ seq: before.lastSeq + 1, version, senderId, kind });
      return putMessage({ ...before, lastSeq: message.seq }, message, 'sent', false);
    }
    case 'edit':
    case 'delete': {
      const old = before.messages.get(write.seq);
      if (old === undefined || old.deletedAtMs !== null) return undefined;
      const message: MessageRecord =
        write.type === 'edit'
          ? { ...old, version, text: `${old.text} edited at ${version}`, editedAtMs: SAMPLE_MS + version }
          : { ...old, version, text: null, deletedAtMs: SAMPLE_MS + version };
      return putMessage(before, message, write.type === 'edit' ? 'edited' : 'deleted', isCountable(old));
    }
    case 'read': {
      const old = before.participants.get(write.userId);
      const lastReadSeq = Math.min(write.seq, before.lastSeq);
      if (old === undefined || old.leftAtMs !== null || lastReadSeq <= old.lastReadSeq) return undefined;
      return putParticipant(before, { ...old, version, lastReadSeq }, 'read');
    }
    case 'join': {
      const old = before.participants.get(write.userId);
      if (old?.leftAtMs === null) return undefined;
      return putParticipant(before, { ...(old ?? sampleParticipant(write)), version, leftAtMs: null }, 'joined');
    }
    case 'leave':
    case 'promote': {
      const old = before.participants.get(write.userId);
      if (old === undefined || old.leftAtMs !== null) return undefined;
      if (write.type === 'leave') return putParticipant(before, { ...old, version, leftAtMs: SAMPLE_MS }, 'left');
      const role = old.role === 'admin' ? 'member' : 'admin';
      return putParticipant(before, { ...old, version, role }, 'changed');
    }
    case 'title': {
      const chat = { ...before.chat, title: write.title, updatedAtMs: SAMPLE_MS + version };
      return { state: { ...before, version, chat }, change: { type: 'chat', version, chat } };
    }
    case 'remove':
      return { state: { ...before, version, chat: undefined }, change: { type: 'removed', version } };
  }
}

function createChat(chatId: string, userIds: readonly string[], lastSeq: number): Committed {
  const messages = Array.from({ length: lastSeq }, (_unused, at) => sampleMessage({ seq: at + 1, version: 1 }));
  const state: ChatState = {
    version: 1,
    lastSeq,
    resetVersion: 0,
    chat: sampleChat(chatId),
    participants: new Map(userIds.map((userId) => [userId, sampleParticipant({ userId })])),
    messages: new Map(messages.map((message) => [message.seq, message])),
  };
  return { state, change: { type: 'created', version: 1, userIds } };
}

function putMessage(
  before: ChatState,
  message: MessageRecord,
  cause: 'sent' | 'edited' | 'deleted',
  wasCountable: boolean,
): Committed {
  const { version } = message;
  const state = { ...before, version, messages: new Map(before.messages).set(message.seq, message) };
  return { state, change: { type: 'message', version, cause, message, wasCountable } };
}

function putParticipant(
  before: ChatState,
  participant: ParticipantRecord,
  cause: 'joined' | 'changed' | 'left' | 'read',
): Committed {
  const { version, userId } = participant;
  const state = { ...before, version, participants: new Map(before.participants).set(userId, participant) };
  const counted = cause === 'read' ? { unread: unreadIn(state, userId) } : {};
  return { state, change: { type: 'participant', version, cause, participant, ...counted } };
}
