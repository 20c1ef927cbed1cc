import { Inject, Injectable, Logger } from '@nestjs/common';
import { ScrollbackError } from '../common/scrollback-error.js';
import { annotate, isTracing } from '../common/tracing.js';
import { CacheState } from './cache-state.js';
import { CacheStats, type CacheFamily, type CacheResult } from './cache-stats.js';
import { CachedJson } from './cached-json.js';
import { AnswerReader, type Answer, type ReadOptions } from './read/answer-reader.js';
import { isDivergent, isInboxDivergent } from './read/divergence.js';
import type { InboxPosition } from './read/inbox-cursor.js';
import { DEFAULT_PAGE_LIMIT, type MessagesQuery } from './read/page-range.js';
import type {
  WireChanges,
  WireChat,
  WireInbox,
  WireLatest,
  WireMessage,
  WirePage,
  WireParticipants,
} from './wire-types.js';

export type { ReadOptions } from './read/answer-reader.js';

/** Injection token of the answers that go past the cache. */
export const PAST_ANSWERS = Symbol('PastAnswers');

/**
 * Bytes of the newest messages of many chats together. Fewer and 200 chats of ordinary messages do not fit; more and a handful of requests
 * take as much memory as the process has.
 */
const MAX_LATEST_BYTES = 16 * 2 ** 20;

/**
 * Chats that are read together of them, and messages of those. Fewer and chats that are not held cost a statement each; more and much is loaded
 * for an answer that turns out too large.
 */
const MAX_CHATS_TOGETHER = 20;
const MESSAGES_TOGETHER = 1000;

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
  readonly #logger = new Logger('MessageCache');

  constructor(
    @Inject(AnswerReader) private readonly cached: AnswerReader,
    @Inject(PAST_ANSWERS) private readonly past: AnswerReader,
    private readonly state: CacheState,
    private readonly stats: CacheStats,
  ) {}

  /** Reads a chat. */
  async getChat(chatId: string, options: ReadOptions = {}): Promise<CachedJson<WireChat> | undefined> {
    const ready = this.state.mode === 'on' ? this.cached.peekChat(chatId, options) : undefined;
    if (ready !== undefined) {
      this.#count('chat', 'hit');
      return ready;
    }
    return this.#answer('chat', (answers) => answers.chat(chatId, options), isDivergent);
  }

  /** Reads a run of a chat's participants, in the order of the bytes of their user ids. */
  getParticipants(
    chatId: string,
    { after, limit = DEFAULT_PAGE_LIMIT }: { readonly after?: string | undefined; readonly limit?: number } = {},
    options: ReadOptions = {},
  ): Promise<CachedJson<WireParticipants> | undefined> {
    const query = { after, limit };
    return this.#answer('participants', (answers) => answers.participants(chatId, query, options), isDivergent);
  }

  /** Reads a page of messages. */
  async getMessages(
    chatId: string,
    query: MessagesQuery = {},
    options: ReadOptions = {},
  ): Promise<CachedJson<WirePage> | undefined> {
    const ready = this.peekMessages(chatId, query, options);
    return ready ?? this.#answer('messages', (answers) => answers.page(chatId, query, options), isDivergent);
  }

  /** The same page if it can be had without I/O: the way of a hit, without a promise. `undefined` says nothing else. */
  peekMessages(chatId: string, query: MessagesQuery, options: ReadOptions = {}): CachedJson<WirePage> | undefined {
    if (this.state.mode !== 'on') return undefined;
    const page = this.cached.peekPage(chatId, query, options);
    if (page !== undefined) this.#count('messages', 'hit');
    return page;
  }

  /** Reads one message; `missing` where the chat is there and has no such message. */
  getMessage(
    chatId: string,
    seq: number,
    options: ReadOptions = {},
  ): Promise<CachedJson<WireMessage> | 'missing' | undefined> {
    return this.#answer('messages', (answers) => answers.message(chatId, seq, options), isDivergent);
  }

  /**
   * Reads the newest messages of many chats, loading what is missing together. Chats not to be seen are left out.
   *
   * @throws ScrollbackError `answer_too_large` when they are more than 16 MiB; what would come after that has not been loaded.
   */
  async getLatest(
    chatIds: readonly string[],
    limit: number,
    options: ReadOptions = {},
  ): Promise<CachedJson<WireLatest>> {
    return (await this.findLatest(chatIds, limit, options)).answer;
  }

  /** The same, and whether no chat had to be left out. */
  async findLatest(
    chatIds: readonly string[],
    limit: number,
    options: ReadOptions = {},
  ): Promise<{ readonly answer: CachedJson<WireLatest>; readonly isWhole: boolean }> {
    const parts: (string | Buffer)[] = [];
    let source: CacheResult = 'hit';
    let [bytes, pages] = [0, 0];
    const together = Math.min(MAX_CHATS_TOGETHER, Math.ceil(MESSAGES_TOGETHER / limit));
    for (let from = 0; from < chatIds.length; from += together) {
      const some = chatIds.slice(from, from + together);
      const { readable, loaded } = await this.cached.prepare(some, limit, options);
      // By what the viewer may see alone: whether a hidden chat is held is not told.
      if (loaded.size > 0) source = 'miss';
      const read = readable.map((chatId) => this.#readLatest(chatId, limit, options, loaded.has(chatId)));
      for (const page of await Promise.all(read)) {
        if (page === undefined) continue;
        if (page.source !== 'hit') source = page.source;
        bytes += page.byteLength;
        if (bytes > MAX_LATEST_BYTES) throw answerTooLarge();
        if (pages++ > 0) parts.push(',');
        parts.push(...page.keptParts());
      }
    }
    annotateRead('messages', source);
    const answer = new CachedJson<WireLatest>(0, source, ['{"items":[', ...parts, ']}']);
    return { answer, isWhole: pages === chatIds.length };
  }

  /** One page of those; of a chat that was loaded for it a moment ago it is no hit. */
  async #readLatest(
    chatId: string,
    limit: number,
    options: ReadOptions,
    isLoaded: boolean,
  ): Promise<CachedJson<WirePage> | undefined> {
    if (!isLoaded || this.state.mode !== 'on') return this.getMessages(chatId, { limit }, options);
    const { found } = await this.cached.page(chatId, { limit }, options);
    this.#count('messages', 'miss');
    return found;
  }

  /** Reads a part of a user's inbox, latest activity first. */
  async getUserChats(
    userId: string,
    { after, limit = DEFAULT_PAGE_LIMIT }: { readonly after?: InboxPosition | undefined; readonly limit?: number } = {},
    options: ReadOptions = {},
  ): Promise<CachedJson<WireInbox>> {
    return this.#answer('inbox', (answers) => answers.inbox(userId, after, limit, options), isInboxDivergent);
  }

  /**
   * Reads what changed in a chat after a version.
   *
   * @throws ScrollbackError `changes_gone` when the version is older than what can be told, or newer than the chat.
   */
  getChanges(
    chatId: string,
    since: number,
    limit: number,
    options: ReadOptions = {},
  ): Promise<CachedJson<WireChanges> | undefined> {
    return this.#answer('chat', (answers) => answers.changes(chatId, since, limit, options), isDivergent);
  }

  /** Reads as the mode wants it. In the shadow the database's answer counts, and what the cache says is compared with it. */
  async #answer<T>(
    family: CacheFamily,
    read: (answers: AnswerReader) => Promise<Answer<T>>,
    differs: (cached: T, stored: T) => boolean,
  ): Promise<T> {
    const { mode } = this.state;
    if (mode === 'shadow') return this.#compare(family, read, differs);
    const { found, source } = await read(mode === 'off' ? this.past : this.cached);
    this.#count(family, source);
    return found as T;
  }

  async #compare<T>(
    family: CacheFamily,
    read: (answers: AnswerReader) => Promise<Answer<T>>,
    differs: (cached: T, stored: T) => boolean,
  ): Promise<T> {
    // A cache that cannot answer must not keep anybody from the database's answer in the shadow.
    const cached = await read(this.cached).catch(() => undefined);
    if (cached !== undefined) this.stats.count(family, cached.source);
    const stored = await read(this.past);
    annotateRead(family, stored.source);
    if (cached?.found !== undefined && stored.found !== undefined && differs(cached.found, stored.found)) {
      this.stats.countDivergence();
      this.#logger.error(`The cache and the database differ in what they say of a chat (${family}).`);
    }
    return stored.found as T;
  }

  #count(family: CacheFamily, result: CacheResult): void {
    this.stats.count(family, result);
    annotateRead(family, result);
  }
}

function answerTooLarge(): ScrollbackError {
  return new ScrollbackError(
    'answer_too_large',
    'The messages asked for are more than 16 MiB together. Ask for fewer chats or with a smaller limit.',
  );
}

/** Tells the trace of the request what was read and how it was answered. */
function annotateRead(family: CacheFamily, result: CacheResult): void {
  if (isTracing()) annotate({ 'scrollback.cache.family': family, 'scrollback.cache.result': result });
}
