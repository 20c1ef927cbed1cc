import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ScrollbackError } from '../../common/scrollback-error.js';
import { ChatRepository, type LoadedChat } from '../../storage/chat-repository.js';
import { TailRepository } from '../../storage/tail-repository.js';
import { CacheStats } from '../cache-stats.js';
import { CacheState, type ReadState } from '../cache-state.js';
import { ChatEntry } from '../local/chat-entry.js';
import { BLOCK_SIZE } from '../local/message-block.js';
import type { Fill } from './fill-board.js';
import { TailLoad } from './tail-load.js';

/** An entry to answer from, and whether it was there already. */
export interface EntryRead {
  readonly entry: ChatEntry;
  readonly isHit: boolean;
}

/**
 * How often a read that needs a version the database has not shown yet looks again, and how long it waits in between.
 * A version that nobody has committed would otherwise hold its reader for ever.
 */
const MIN_VERSION_RETRIES = 6;
const MIN_VERSION_RETRY_MS = 50;

/** Readings of a chat that others change faster than it can be read, before its readers are told to try again. */
const FILL_ATTEMPTS = 8;

/** What a fill brings, and where it goes in the order of eviction. */
interface FillOptions {
  /** Newest messages to load along; 0 for the last one alone. */
  readonly tail: number;
  readonly place: 'new' | 'cold';
}

/**
 * Reads chats through the cache: from memory if they are there, else from the database, once for all who wait.
 *
 * The rules of a fill, in order:
 * 1. It is on the board before its query is sent.
 * 2. Its query reads everything in one snapshot and so knows its version.
 * 3. What was announced meanwhile is applied to what was read.
 * 4. It is installed only if it is then at the highest version heard of, and newer than what is held; else it reads
 *    again.
 * Without 1 or 4, an old reading that arrives after a write would stay in the cache for ever.
 */
@Injectable()
export class ChatReader {
  readonly #pending = new Map<string, Promise<ChatEntry>>();

  constructor(
    private readonly chats: ChatRepository,
    @Inject(CacheState) private readonly state: ReadState,
    private readonly stats: CacheStats,
    private readonly tails: TailRepository,
  ) {}

  /** The entry if it is held and at least at a version. Not a use by itself. No I/O. */
  peek(chatId: string, minVersion = 0): ChatEntry | undefined {
    if (!this.state.isHolding) return undefined;
    const entry = this.state.store.getChat(chatId);
    return entry !== undefined && entry.version >= minVersion ? entry : undefined;
  }

  /**
   * Reads a chat at a version or later. A chat that does not exist gives an entry that is not present.
   *
   * @param tail - newest messages to load along if it has to be loaded; 0 for the last one alone.
   * @throws ScrollbackError `version_not_reached` when the database does not have the version, `database_unavailable`.
   */
  async read(chatId: string, minVersion = 0, tail = this.state.options.tailMessages): Promise<EntryRead> {
    const held = this.peek(chatId, minVersion);
    if (held !== undefined) return { entry: held, isHit: true };
    for (let attempt = 0; ; attempt++) {
      const entry = await this.#fill(chatId, tail);
      if (entry.version >= minVersion) return { entry, isHit: false };
      if (attempt === MIN_VERSION_RETRIES) {
        throw new ScrollbackError(
          'version_not_reached',
          `The chat is at version ${entry.version}; version ${minVersion} was asked for.`,
        );
      }
      await delay(MIN_VERSION_RETRY_MS);
    }
  }

  /**
   * Reads chats that are not held, with one query for those that nobody is reading yet.
   *
   * @param tail - newest messages to load along; 0 for the last one alone.
   */
  async loadMany(chatIds: readonly string[], tail: number): Promise<ChatEntry[]> {
    if (chatIds.length === 0) return [];
    if (!this.state.isHolding) return this.loadPast(chatIds, tail);
    const missing = [...new Set(chatIds)].filter((chatId) => !this.#pending.has(chatId));
    const waits = chatIds.flatMap((chatId) => this.#pending.get(chatId) ?? []);
    if (missing.length > 0) waits.push(...this.#loadTogether(missing, tail));
    return Promise.all(waits);
  }

  /** Reads chats with one query and keeps none of them: for more than the cache has room for. */
  async loadPast(chatIds: readonly string[], tail: number): Promise<ChatEntry[]> {
    const loaded = await this.#load(chatIds, tail);
    return chatIds.map((chatId) => this.#build(chatId, loaded.get(chatId), tail));
  }

  /**
   * Reads chats with their tails as a stream and puts them at the cold end of the order of eviction. Those that are held, or on
   * their way, are left as they are.
   *
   * @returns how many messages were read.
   */
  async warmMany(chatIds: readonly string[]): Promise<number> {
    if (!this.state.isHolding) return 0;
    const missing = chatIds.filter((chatId) => !this.#pending.has(chatId) && this.peek(chatId) === undefined);
    if (missing.length === 0) return 0;
    const load = new TailLoad(missing);
    const tail = this.state.options.tailMessages;
    const fills = this.#fillTogether(missing, { tail, place: 'cold' }, () => {
      void this.#loadTails(load, tail);
      return (chatId) => load.entry(chatId);
    });
    await Promise.all(fills);
    return load.messages;
  }

  /** Brings what is held of a chat to a version that the database is known to have. */
  async refresh(chatId: string, version: number): Promise<void> {
    if (!this.state.isHolding) return;
    const held = this.state.store.getChat(chatId);
    if (held === undefined || held.version < version) await this.#fill(chatId, this.state.options.tailMessages);
  }

  /** Reads a chat from the database, or joins who is doing so. */
  #fill(chatId: string, tail: number): Promise<ChatEntry> {
    if (!this.state.isHolding) return this.#loadDetached(chatId, tail);
    const pending = this.#pending.get(chatId);
    if (pending === undefined) return this.#loadTogether([chatId], tail)[0]!;
    // It may be warming that reads the chat, which is no use of it; this is.
    return pending.then((entry) => {
      this.state.store.touch(entry);
      return entry;
    });
  }

  #loadTogether(chatIds: readonly string[], tail: number): Promise<ChatEntry>[] {
    return this.#fillTogether(chatIds, { tail, place: 'new' }, () => {
      const loading = this.#load(chatIds, tail);
      return async (chatId) => this.#build(chatId, (await loading).get(chatId), tail);
    });
  }

  /**
   * Fills with chats that are read together.
   *
   * @param read - sends the query: not before every fill is on the board. Gives what finds a chat in its answer.
   */
  #fillTogether(
    chatIds: readonly string[],
    how: FillOptions,
    read: () => (chatId: string) => Promise<ChatEntry>,
  ): Promise<ChatEntry>[] {
    const fills = new Map(chatIds.map((chatId) => [chatId, this.state.board.open(chatId)]));
    const find = read();
    return chatIds.map((chatId) => {
      const pending = this.#complete(chatId, how, fills.get(chatId)!, find(chatId)).finally(() => {
        this.#pending.delete(chatId);
        this.state.board.close(chatId, fills.get(chatId)!);
      });
      this.#pending.set(chatId, pending);
      return pending;
    });
  }

  async #complete(
    chatId: string,
    { tail, place }: FillOptions,
    fill: Fill,
    reading: Promise<ChatEntry>,
  ): Promise<ChatEntry> {
    let entry = await reading;
    for (let attempt = 1; ; attempt++) {
      for (const change of fill.journal) if (change.version > entry.version && !entry.apply(change)) break;
      const isCurrent = entry.version >= fill.minVersion;
      if (isCurrent) return this.#install(entry, place);
      if (attempt === FILL_ATTEMPTS) {
        throw new ScrollbackError('version_not_reached', 'The chat changes faster than it can be read. Try again.');
      }
      entry = await this.#loadDetached(chatId, tail);
    }
  }

  /** Keeps the newer of what is held and what was read. */
  #install(entry: ChatEntry, place: 'new' | 'cold'): ChatEntry {
    const held = this.state.store.getChat(entry.chatId);
    if (held !== undefined && held.version >= entry.version) return held;
    // The cache was turned off while this was on its way.
    if (!this.state.isHolding) return entry;
    this.state.store.installChat(entry, place);
    // Who is in the chat may be having their index read at this moment, from before they came into it.
    for (const [userId, joined] of this.state.userFills) if (entry.members.has(userId)) joined.add(entry.chatId);
    return entry;
  }

  async #loadDetached(chatId: string, tail: number): Promise<ChatEntry> {
    return this.#build(chatId, (await this.#load([chatId], tail)).get(chatId), tail);
  }

  /** Streams chats into a load, which learns how it ends. Never throws. */
  async #loadTails(load: TailLoad, tail: number): Promise<void> {
    try {
      await this.stats.measureLoad(() => this.tails.loadTails(load.chatIds, tail, BLOCK_SIZE, load));
      load.complete();
    } catch (error) {
      load.fail(error);
    }
  }

  #build(chatId: string, loaded: LoadedChat | undefined, tail: number): ChatEntry {
    const entry = new ChatEntry(chatId, loaded);
    if (tail > 0 && loaded !== undefined && entry.isPresent) {
      for (const block of entry.cutBlocks(loaded.messages)) entry.blocks.set(block.index, block);
    }
    return entry;
  }

  async #load(chatIds: readonly string[], tail: number): Promise<ReadonlyMap<string, LoadedChat>> {
    const loaded = await this.stats.measureLoad(() => this.chats.loadChats(chatIds, tail, BLOCK_SIZE));
    return new Map(loaded.map((chat) => [chat.chatId, chat]));
  }
}
