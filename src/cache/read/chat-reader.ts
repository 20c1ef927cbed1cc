import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ScrollbackError } from '../../common/scrollback-error.js';
import type { ChatRepository, LoadedChat } from '../../storage/chat-repository.js';
import { TailRepository } from '../../storage/tail-repository.js';
import { CacheStats } from '../cache-stats.js';
import { CacheState, type ReadState } from '../cache-state.js';
import type { Moment } from '../coherence/lease.js';
import { Revalidator, type DoubtWish } from '../coherence/revalidator.js';
import { ChatEntry } from '../local/chat-entry.js';
import { BLOCK_SIZE } from '../local/message-block.js';
import { ChatRepairer } from './chat-repairer.js';
import type { Fill } from './fill-board.js';
import { MembershipReader } from './membership-reader.js';
import { TailLoad } from './tail-load.js';
import { isVisible, type Viewer } from './visibility.js';

/** An entry to answer from, and where it was. */
export interface EntryRead {
  readonly entry: ChatEntry;
  /** `stale`: it was there, and nobody could tell whether it is current. */
  readonly source: 'hit' | 'miss' | 'stale';
}

/** What a reader asks of an entry. */
export interface EntryWish extends DoubtWish, Viewer {
  /** Newest messages to load along if it has to be loaded; 0 for the last one alone. */
  readonly tail?: number;
}

/**
 * How often a read that needs a version the database has not shown yet looks again, and how long it waits in between.
 * A version that nobody has committed would otherwise hold its reader for ever.
 */
const MIN_VERSION_RETRIES = 6;
const MIN_VERSION_RETRY_MS = 50;

/** Readings of a chat that others change faster than it can be read, before its readers are told to try again. */
const FILL_ATTEMPTS = 8;

/** Versions that an entry may lack for its reader to wait for the bus. More are not on their way: something was lost. */
const PUSH_STEPS = 100;

/** Entries that one reader has brought up to date at once, each by a query of its own. */
const REPAIRS_TOGETHER = 16;

/** Entries that one reader has brought up to date in all; more are loaded anew by one query, which keeps none of their older messages. */
const MAX_REPAIRS = 128;

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
    private readonly chats: Pick<ChatRepository, 'loadChats'>,
    @Inject(CacheState) private readonly state: ReadState,
    private readonly stats: CacheStats,
    private readonly tails: TailRepository,
    private readonly repairer: ChatRepairer,
    private readonly doubts: Revalidator,
    private readonly members: MembershipReader,
  ) {}

  /** The entry if it is held, current, and at least at a version. Not a use by itself. No I/O. */
  peek(chatId: string, minVersion = 0): ChatEntry | undefined {
    if (!this.state.isHolding) return undefined;
    const entry = this.state.store.getChat(chatId);
    if (entry === undefined || entry.isBehind || entry.version < minVersion) return undefined;
    return this.state.lease.covers(entry) ? entry : undefined;
  }

  /**
   * Reads a chat at a version or later. A chat that does not exist gives an entry that is not present, and so does one that is not held and that the
   * viewer is not in: it is not loaded for them, nor waited for.
   *
   * @throws ScrollbackError `version_not_reached` when the database does not have the version, `freshness_unknown` when it is held and
   * nobody can tell whether it is current, `database_unavailable`.
   */
  async read(chatId: string, wish: EntryWish = {}): Promise<EntryRead> {
    const { minVersion = 0, tail = this.state.options.tailMessages, viewer } = wish;
    const mayKnow = (entry: ChatEntry): boolean => viewer === undefined || isVisible(entry, { viewer });
    let held = this.peek(chatId, minVersion);
    if (held === undefined && this.#expectsPush(chatId, minVersion, mayKnow)) {
      await this.state.waits.until(chatId, minVersion);
      held = this.peek(chatId, minVersion);
    }
    if (held !== undefined) return { entry: held, source: 'hit' };
    const isAsked = viewer !== undefined && !this.#isHeldFor(chatId, viewer);
    if (isAsked && !(await this.members.isIn(chatId, viewer))) {
      return { entry: new ChatEntry(chatId, undefined), source: 'miss' };
    }
    if (this.state.isHolding && this.state.lease.isInDoubt) {
      const doubtful = await this.doubts.settle(chatId, wish);
      if (doubtful === 'stale') return { entry: this.state.store.getChat(chatId)!, source: 'stale' };
      const settled = doubtful === 'current' ? this.peek(chatId, minVersion) : undefined;
      if (settled !== undefined) return { entry: settled, source: 'hit' };
    }
    for (let attempt = 0; ; attempt++) {
      let entry: ChatEntry;
      try {
        entry = await this.#fill(chatId, tail, minVersion);
      } catch (error) {
        const old = wish.allowsStale === true && isUnavailable(error) ? this.peekStale(chatId, minVersion) : undefined;
        if (old === undefined || !mayKnow(old)) throw error;
        return { entry: old, source: 'stale' };
      }
      const isKnown = mayKnow(entry);
      // Who may not know of the chat is told of no version either. The first reading may have been on its way when the reader came, and from
      // before they were added; the second began after that, and tells how it is.
      const isEnough = entry.version >= minVersion && (isKnown || !isAsked);
      if (isEnough || (!isKnown && attempt > 0)) return { entry, source: 'miss' };
      if (attempt === MIN_VERSION_RETRIES) {
        throw new ScrollbackError(
          'version_not_reached',
          `The chat is at version ${entry.version}; version ${minVersion} was asked for.`,
        );
      }
      if (isKnown) await delay(MIN_VERSION_RETRY_MS);
    }
  }

  /** What is held, be it known to be old, if nobody has been told anything newer. To be told as stale. No I/O. */
  peekStale(chatId: string, minVersion = 0): ChatEntry | undefined {
    const held = this.state.store.getChat(chatId);
    return held !== undefined && held.isTellable && held.version >= minVersion ? held : undefined;
  }

  /** Of chats that are not held, those that may be loaded for a viewer. Asks the database once for all of them, and nothing for a service. */
  async findLoadable(chatIds: readonly string[], { viewer }: Viewer): Promise<readonly string[]> {
    if (viewer === undefined) return chatIds;
    const may = await Promise.all(
      chatIds.map((chatId) => this.#isHeldFor(chatId, viewer) || this.members.isIn(chatId, viewer)),
    );
    return chatIds.filter((_chatId, at) => may[at]);
  }

  /** Whether a user is in what is held of a chat, though it may be old. They need not be asked about: what is read then tells whether they still are. */
  #isHeldFor(chatId: string, userId: string): boolean {
    return this.state.store.getChat(chatId)?.members.has(userId) === true;
  }

  /**
   * Reads chats that are not held, with one query for those that nobody is reading yet.
   *
   * @param tail - newest messages to load along; 0 for the last one alone.
   */
  async loadMany(chatIds: readonly string[], tail: number): Promise<ChatEntry[]> {
    if (chatIds.length === 0) return [];
    if (!this.state.isHolding) return this.loadPast(chatIds, tail);
    const wanted = [...new Set(chatIds)];
    const joined = wanted.flatMap((chatId) => {
      const pending = this.#pending.get(chatId);
      return pending === undefined ? [] : this.#join(pending, chatId, tail);
    });
    const behind = wanted.filter((chatId) => !this.#pending.has(chatId) && this.repairer.canRepair(chatId));
    const repaired = new Set(behind.length > MAX_REPAIRS ? [] : behind);
    const missing = wanted.filter((chatId) => !this.#pending.has(chatId) && !repaired.has(chatId));
    const loads = missing.length > 0 ? this.#loadTogether(missing, tail) : [];
    const [repairs, ...others] = await Promise.all([this.#repairInTurns([...repaired], tail), ...joined, ...loads]);
    return [...repairs, ...others];
  }

  async #repairInTurns(chatIds: readonly string[], tail: number): Promise<ChatEntry[]> {
    const entries: ChatEntry[] = [];
    for (let from = 0; from < chatIds.length; from += REPAIRS_TOGETHER) {
      const some = chatIds.slice(from, from + REPAIRS_TOGETHER);
      entries.push(...(await Promise.all(some.map((chatId) => this.peek(chatId) ?? this.#fill(chatId, tail)))));
    }
    return entries;
  }

  /** Reads chats with one query and keeps none of them: for more than the cache has room for. */
  async loadPast(chatIds: readonly string[], tail: number): Promise<ChatEntry[]> {
    const loaded = await this.#load(chatIds, tail);
    // What a fill on its way has read, or has kept meanwhile, may be older than what is told here.
    for (const [chatId, { head }] of loaded) this.state.noteVersion(chatId, head.version, 'read');
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
    this.state.noteVersion(chatId, version, 'read');
    const held = this.state.store.getChat(chatId);
    if (held === undefined || held.isBehind) await this.#fill(chatId, this.state.options.tailMessages);
  }

  /** A version that a reader knows of is on its way by the bus, if somebody else has just committed it. */
  #expectsPush(chatId: string, minVersion: number, mayKnow: (entry: ChatEntry) => boolean): boolean {
    const held = minVersion > 0 && this.state.hearsPeers ? this.peek(chatId) : undefined;
    return held !== undefined && held.version + PUSH_STEPS >= minVersion && mayKnow(held);
  }

  /** Reads a chat from the database, or joins who is doing so. */
  #fill(chatId: string, tail: number, minVersion = 0): Promise<ChatEntry> {
    if (!this.state.isHolding) return this.#loadDetached(chatId, tail);
    const pending = this.#pending.get(chatId);
    if (pending === undefined) {
      return this.repairer.canRepair(chatId, minVersion)
        ? this.#repair(chatId, tail)
        : this.#loadTogether([chatId], tail)[0]!;
    }
    return this.#join(pending, chatId, tail);
  }

  /** Waits for a fill that somebody else has begun. */
  async #join(pending: Promise<ChatEntry>, chatId: string, tail: number): Promise<ChatEntry> {
    const entry = await pending;
    // It may be warming that reads the chat, which is no use of it; this is.
    this.state.store.touch(entry);
    if (!this.state.isHolding || this.state.lease.covers(entry)) return entry;
    // In doubt, no poll tells a fill what was committed after it had read: it may be too old for who came late. The next one is not.
    return this.#pending.get(chatId) ?? this.#loadTogether([chatId], tail)[0]!;
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
    const start = this.state.lease.now();
    const find = read();
    return chatIds.map((chatId) => {
      const fill = fills.get(chatId)!;
      return this.#track(chatId, fill, this.#complete(chatId, how, fill, start, find(chatId)));
    });
  }

  /** Shares a fill with whoever asks for the chat until it is over. */
  #track(chatId: string, fill: Fill, filling: Promise<ChatEntry>): Promise<ChatEntry> {
    const pending = filling.finally(() => {
      this.#pending.delete(chatId);
      this.state.board.close(chatId, fill);
    });
    this.#pending.set(chatId, pending);
    return pending;
  }

  async #complete(
    chatId: string,
    { tail, place }: FillOptions,
    fill: Fill,
    start: Moment,
    reading: Promise<ChatEntry>,
  ): Promise<ChatEntry> {
    let entry = await reading;
    let readAt = start;
    for (let attempt = 1; ; attempt++) {
      if (!fill.isVoid) {
        for (const change of fill.journal) if (change.version > entry.version && !entry.apply(change)) break;
        if (entry.version >= fill.minVersion) return this.#install(entry, place, readAt);
      }
      if (attempt === FILL_ATTEMPTS) {
        this.#forget(chatId);
        throw new ScrollbackError('version_not_reached', 'The chat changes faster than it can be read. Try again.');
      }
      this.#renew(fill);
      readAt = this.state.lease.now();
      entry = await this.#loadDetached(chatId, tail);
    }
  }

  /** Drops what is held of a chat. A version heard of that never comes would keep its readers waiting for ever. */
  #forget(chatId: string): void {
    const held = this.state.store.getChat(chatId);
    if (held !== undefined) this.state.store.removeChat(held, 'invalidated');
  }

  /** Begins a fill again whose database has become another one: what it has heard is of another history. */
  #renew(fill: Fill): void {
    if (!fill.isVoid) return;
    fill.isVoid = false;
    fill.minVersion = 0;
    fill.journal.length = 0;
  }

  /** Brings an entry up to date by what has changed since, or loads it anew where that cannot be told. */
  #repair(chatId: string, tail: number): Promise<ChatEntry> {
    const fill = this.state.board.open(chatId);
    return this.#track(chatId, fill, this.#catchUp(chatId, fill, tail));
  }

  async #catchUp(chatId: string, fill: Fill, tail: number): Promise<ChatEntry> {
    const repaired = await this.repairer.repair(this.state.store.getChat(chatId)!, fill);
    if (repaired !== undefined) return repaired;
    // What cannot be repaired is of no use to anybody. It may have heard of a version that the database has lost.
    this.#forget(chatId);
    this.#renew(fill);
    const start = this.state.lease.now();
    return this.#complete(chatId, { tail, place: 'new' }, fill, start, this.#loadDetached(chatId, tail));
  }

  /** Keeps the newer of what is held and what was read. */
  #install(entry: ChatEntry, place: 'new' | 'cold', readAt: Moment): ChatEntry {
    const held = this.state.store.getChat(entry.chatId);
    if (held !== undefined && held.version >= entry.version) {
      // That it has been read at this version says that it is current as well.
      if (held.version === entry.version) this.state.lease.confirmChat(held, readAt);
      return held;
    }
    // The cache was turned off while this was on its way.
    if (!this.state.isHolding) return entry;
    this.state.store.installChat(entry, place);
    if (place === 'cold') entry.source = 'warm';
    this.state.applied.note(entry.chatId, entry.version, 'whole chat', entry.source);
    this.state.lease.confirmChat(entry, readAt);
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
    if (loaded?.isShared === true) entry.source = 'shared';
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

function isUnavailable(error: unknown): boolean {
  return error instanceof ScrollbackError && error.code === 'database_unavailable';
}
