import { Injectable } from '@nestjs/common';
import { ScrollbackError } from '../common/scrollback-error.js';
import { MessageRepository } from '../storage/message-repository.js';
import { CacheState } from './cache-state.js';
import { CacheStats, type CacheFamily, type CacheResult } from './cache-stats.js';
import { CachedJson, joinParts } from './cached-json.js';
import type { ChatEntry } from './local/chat-entry.js';
import { participantJson } from './local/wire-json.js';
import { changesJson, unchangedJson } from './read/changes-json.js';
import { ChatReader } from './read/chat-reader.js';
import type { InboxPosition } from './read/inbox-cursor.js';
import { InboxReader } from './read/inbox-reader.js';
import { MessageReader, type MessageRun } from './read/message-reader.js';
import { DEFAULT_PAGE_LIMIT, rangeOf, type MessagesQuery } from './read/page-range.js';
import type {
  WireChanges,
  WireChat,
  WireInbox,
  WireLatest,
  WireMessage,
  WirePage,
  WireParticipants,
} from './wire-types.js';

/** For whom and how fresh. */
export interface ReadOptions {
  /** Answer with this version of the chat or a later one. */
  readonly minVersion?: number | undefined;
  /** A user who sees only chats that they are in; absent: a service, which sees all. */
  readonly viewer?: string | undefined;
}

/**
 * The cache's face: every read of chats, messages, participants and inboxes goes through it. What is held is answered
 * from memory without I/O; what is not is loaded once, kept, and answered. Writing through the repositories keeps it
 * right without the caller doing anything.
 *
 * Every method gives `undefined` where there is no chat, or none that the viewer may see, and throws `ScrollbackError`
 * with `version_not_reached` when a version was asked for that nobody has committed, and `database_unavailable`.
 */
@Injectable()
export class MessageCache {
  constructor(
    private readonly chats: ChatReader,
    private readonly messages: MessageReader,
    private readonly inboxes: InboxReader,
    private readonly repository: MessageRepository,
    private readonly state: CacheState,
    private readonly stats: CacheStats,
  ) {}

  /** Reads a chat. */
  async getChat(chatId: string, options: ReadOptions = {}): Promise<CachedJson<WireChat> | undefined> {
    const { entry, source } = await this.#read('chat', chatId, options);
    return isVisible(entry, options) ? new CachedJson(entry.version, source, [entry.json]) : undefined;
  }

  /** Reads a run of a chat's participants, in the order of the bytes of their user ids. */
  async getParticipants(
    chatId: string,
    { after, limit = DEFAULT_PAGE_LIMIT }: { readonly after?: string | undefined; readonly limit?: number } = {},
    options: ReadOptions = {},
  ): Promise<CachedJson<WireParticipants> | undefined> {
    const { entry, source } = await this.#read('participants', chatId, options);
    if (!isVisible(entry, options)) return undefined;
    const userIds = entry.userIdsAfter(after, limit + 1);
    const shown = userIds.slice(0, limit);
    const nextAfter = userIds.length > limit ? JSON.stringify(shown.at(-1)) : 'null';
    return new CachedJson(entry.version, source, [
      '{"items":[',
      ...joinParts(shown.map((userId) => participantJson(entry.members.get(userId)!))),
      `],"nextAfter":${nextAfter}}`,
    ]);
  }

  /** Reads a page of messages. */
  async getMessages(
    chatId: string,
    query: MessagesQuery = {},
    options: ReadOptions = {},
  ): Promise<CachedJson<WirePage> | undefined> {
    const ready = this.peekMessages(chatId, query, options);
    if (ready !== undefined) return ready;
    const run = await this.messages.read(chatId, options.minVersion ?? 0, (entry) =>
      isVisible(entry, options) ? rangeOf(query, entry) : undefined,
    );
    this.stats.count('messages', run?.source ?? this.#missOrBypass);
    return run && pageJson(run);
  }

  /** The same page if it can be had without I/O: the way of a hit, without a promise. `undefined` says nothing else. */
  peekMessages(chatId: string, query: MessagesQuery, options: ReadOptions = {}): CachedJson<WirePage> | undefined {
    const entry = this.chats.peek(chatId, options.minVersion);
    if (entry === undefined || !isVisible(entry, options)) return undefined;
    const run = this.messages.peek(entry, rangeOf(query, entry), 'hit');
    if (run === undefined) return undefined;
    this.stats.count('messages', 'hit');
    return pageJson(run);
  }

  /** Reads one message; `missing` where the chat is there and has no such message. */
  async getMessage(
    chatId: string,
    seq: number,
    options: ReadOptions = {},
  ): Promise<CachedJson<WireMessage> | 'missing' | undefined> {
    const read = await this.messages.read(chatId, options.minVersion ?? 0, (entry) =>
      isVisible(entry, options) ? { fromSeq: seq, toSeq: Math.min(seq, entry.lastSeq) } : undefined,
    );
    this.stats.count('messages', read?.source ?? this.#missOrBypass);
    if (read === undefined) return undefined;
    return read.slices.length === 0 ? 'missing' : new CachedJson(read.version, read.source, read.slices);
  }

  /**
   * Reads the newest messages of many chats, loading what is missing together. Chats not to be seen are left out.
   */
  async getLatest(
    chatIds: readonly string[],
    limit: number,
    options: ReadOptions = {},
  ): Promise<CachedJson<WireLatest>> {
    const missing = chatIds.filter((chatId) => this.chats.peek(chatId) === undefined);
    await this.chats.loadMany(missing, Math.max(limit, this.state.options.tailMessages));
    const pages: (string | Buffer)[] = [];
    let source: CacheResult = missing.length === 0 ? 'hit' : this.#missOrBypass;
    for (const chatId of chatIds) {
      const page = await this.getMessages(chatId, { limit }, options);
      if (page === undefined) continue;
      if (page.source !== 'hit') source = page.source;
      pages.push(page.toBuffer());
    }
    return new CachedJson(0, source, ['{"items":[', ...joinParts(pages), ']}']);
  }

  /** Reads a part of a user's inbox, latest activity first. */
  async getUserChats(
    userId: string,
    { after, limit = DEFAULT_PAGE_LIMIT }: { readonly after?: InboxPosition | undefined; readonly limit?: number } = {},
  ): Promise<CachedJson<WireInbox>> {
    const page = await this.inboxes.read(userId, after, limit);
    this.stats.count('inbox', page.source);
    return page;
  }

  /**
   * Reads what changed in a chat after a version.
   *
   * @throws ScrollbackError `changes_gone` when the version is older than what can be told, or newer than the chat.
   */
  async getChanges(
    chatId: string,
    since: number,
    limit: number,
    options: ReadOptions = {},
  ): Promise<CachedJson<WireChanges> | undefined> {
    const { entry, isHit } = await this.chats.read(chatId, options.minVersion);
    if (!isVisible(entry, options)) return undefined;
    if (since === entry.version) {
      const source = isHit ? 'hit' : this.#missOrBypass;
      this.stats.count('chat', source);
      return unchangedJson(entry, source);
    }
    // What changed is told by one snapshot of the database, at least as new as the entry.
    this.stats.count('chat', this.#missOrBypass);
    const loaded = await this.repository.loadChanges(chatId, since, limit);
    if (loaded === undefined) return undefined;
    if (since < loaded.resetVersion || since > loaded.version) {
      throw new ScrollbackError('changes_gone', `Changes since version ${since} cannot be told. Load the chat anew.`);
    }
    return changesJson(loaded, this.#missOrBypass);
  }

  async #read(
    family: CacheFamily,
    chatId: string,
    { minVersion }: ReadOptions,
  ): Promise<{ entry: ChatEntry; source: CacheResult }> {
    const { entry, isHit } = await this.chats.read(chatId, minVersion);
    const source = isHit ? 'hit' : this.#missOrBypass;
    this.stats.count(family, source);
    if (entry.chargedBytes > 0) this.state.store.touch(entry);
    return { entry, source };
  }

  get #missOrBypass(): CacheResult {
    return this.state.mode === 'off' ? 'bypass' : 'miss';
  }
}

function isVisible(entry: ChatEntry, { viewer }: ReadOptions): boolean {
  return entry.chat !== undefined && (viewer === undefined || entry.members.has(viewer));
}

function pageJson({ chatId, range, lastSeq, version, source, slices }: MessageRun): CachedJson<WirePage> {
  const hasOlder = range.fromSeq > 1 && lastSeq > 0;
  const hasNewer = range.toSeq < lastSeq;
  return new CachedJson(version, source, [
    `{"chatId":"${chatId}","items":[`,
    ...joinParts(slices),
    `],"hasOlder":${hasOlder},"hasNewer":${hasNewer},"version":${version}}`,
  ]);
}
