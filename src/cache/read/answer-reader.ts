import { ScrollbackError } from '../../common/scrollback-error.js';
import type { ChatRepository } from '../../storage/chat-repository.js';
import type { MessageNeighbours, MessageRepository } from '../../storage/message-repository.js';
import type { TailRepository } from '../../storage/tail-repository.js';
import type { ReadState } from '../cache-state.js';
import { CoherenceStats } from '../coherence/coherence-stats.js';
import type { Revalidator } from '../coherence/revalidator.js';
import type { CacheResult, CacheStats } from '../cache-stats.js';
import { CachedJson, joinParts } from '../cached-json.js';
import type { ChatEntry } from '../local/chat-entry.js';
import { participantJson } from '../local/wire-json.js';
import type { WireChanges, WireChat, WireInbox, WireMessage, WirePage, WireParticipants } from '../wire-types.js';
import { changesJson, unchangedJson } from './changes-json.js';
import { ChatReader, type EntryWish } from './chat-reader.js';
import { ChatRepairer } from './chat-repairer.js';
import type { InboxPosition } from './inbox-cursor.js';
import { InboxReader } from './inbox-reader.js';
import { MembershipReader } from './membership-reader.js';
import { MessageReader, type MessageRun } from './message-reader.js';
import { DEFAULT_PAGE_LIMIT, pageRange, rangeOf, type MessagesQuery, type PageQuery } from './page-range.js';
import { UnreadReader } from './unread-reader.js';
import { isVisible, type Viewer } from './visibility.js';

/** For whom and how fresh. */
export interface ReadOptions extends Viewer {
  /** Answer with this version of the chat or a later one. */
  readonly minVersion?: number | undefined;
}

/** A run of a chat's participants. */
export interface ParticipantsQuery {
  /** Users behind this one in the order of the bytes of their ids. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** What was found, and where; `undefined` where there is nothing, or nothing that the viewer may see. */
export interface Answer<T> {
  readonly found: T | undefined;
  readonly source: CacheResult;
}

/** Chats that are to be read together. */
export interface PreparedChats {
  readonly readable: readonly string[];
  /** Those that were not held, and have been loaded. */
  readonly loaded: ReadonlySet<string>;
}

/** Where answers come from that are not held. */
export interface AnswerRepositories {
  readonly chatRepository: ChatRepository;
  readonly messageRepository: MessageRepository;
  readonly tailRepository: TailRepository;
}

/** Runs of holes that one page goes beyond while messages vanish under it. */
const HOLE_ATTEMPTS = 4;

/** Puts answers together from what the readers of one state give. */
export class AnswerReader {
  constructor(
    private readonly chats: ChatReader,
    private readonly messages: MessageReader,
    private readonly inboxes: InboxReader,
    private readonly repository: MessageRepository,
    private readonly state: ReadState,
  ) {}

  /** One that asks the database every time. */
  static past(
    state: ReadState,
    stats: CacheStats,
    doubts: Revalidator,
    { chatRepository, messageRepository, tailRepository }: AnswerRepositories,
  ): AnswerReader {
    const coherence = new CoherenceStats();
    const repairer = new ChatRepairer(messageRepository, state, stats, coherence);
    const members = new MembershipReader(chatRepository);
    const chats = new ChatReader(chatRepository, state, stats, tailRepository, repairer, doubts, members);
    const messages = new MessageReader(messageRepository, chats, state, stats);
    const inboxes = new InboxReader(chatRepository, chats, new UnreadReader(chatRepository, state), state, doubts);
    return new AnswerReader(chats, messages, inboxes, messageRepository, state);
  }

  async chat(chatId: string, options: ReadOptions): Promise<Answer<CachedJson<WireChat>>> {
    const { entry, source } = await this.#read(chatId, options);
    return {
      source,
      found: isVisible(entry, options) ? new CachedJson(entry.version, source, [entry.json]) : undefined,
    };
  }

  /** The chat if it can be had without I/O. `undefined` says nothing else. */
  peekChat(chatId: string, options: ReadOptions): CachedJson<WireChat> | undefined {
    const entry = this.chats.peek(chatId, options.minVersion);
    if (entry === undefined || !isVisible(entry, options)) return undefined;
    this.state.store.touch(entry);
    return new CachedJson(entry.version, 'hit', [entry.json]);
  }

  async participants(
    chatId: string,
    { after, limit }: ParticipantsQuery,
    options: ReadOptions,
  ): Promise<Answer<CachedJson<WireParticipants>>> {
    const { entry, source } = await this.#read(chatId, options);
    if (!isVisible(entry, options)) return { source, found: undefined };
    const userIds = entry.userIdsAfter(after, limit + 1);
    const shown = userIds.slice(0, limit);
    const nextAfter = userIds.length > limit ? JSON.stringify(shown.at(-1)) : 'null';
    const found = new CachedJson<WireParticipants>(entry.version, source, [
      '{"items":[',
      ...joinParts(shown.map((userId) => participantJson(entry.members.get(userId)!))),
      `],"nextAfter":${nextAfter}}`,
    ]);
    return { source, found };
  }

  async page(chatId: string, query: MessagesQuery, options: ReadOptions): Promise<Answer<CachedJson<WirePage>>> {
    const { run, source } = await this.messages.read(chatId, this.#wish(options), (entry) =>
      isVisible(entry, options) ? rangeOf(query, entry) : undefined,
    );
    if (run !== undefined && isAllHoles(run)) return this.#pageBeyond(run, query, options);
    return { found: run && pageJson(run), source };
  }

  /**
   * The page for a reader whose place is in the middle of messages that are gone: an empty one would tell them no place to go on
   * from. It goes on where they wanted to, or says that there is nothing.
   */
  async #pageBeyond(
    run: MessageRun,
    query: MessagesQuery,
    options: ReadOptions,
  ): Promise<Answer<CachedJson<WirePage>>> {
    const source = this.#missOrBypass;
    for (let attempt = 1, holes = run; ; attempt++) {
      const neighbours = await this.repository.findNeighbours(holes.chatId, holes.range.fromSeq, holes.range.toSeq);
      const place = placeBeyond(query, neighbours);
      // A chat in which somebody goes on deleting what was just found is told as it is: with what else there is.
      if (place === undefined || attempt === HOLE_ATTEMPTS) return { source, found: pageJson(holes, neighbours) };
      const next = await this.messages.read(holes.chatId, this.#wish(options), (entry) =>
        isVisible(entry, options) ? pageRange(place, entry.lastSeq, entry.firstSeq) : undefined,
      );
      if (next.run === undefined || !isAllHoles(next.run)) return { source, found: next.run && pageJson(next.run) };
      holes = next.run;
    }
  }

  /** The page if it can be had without I/O: the way of a hit, without a promise. `undefined` says nothing else. */
  peekPage(chatId: string, query: MessagesQuery, options: ReadOptions): CachedJson<WirePage> | undefined {
    const entry = this.chats.peek(chatId, options.minVersion);
    if (entry === undefined || !isVisible(entry, options)) return undefined;
    const run = this.messages.peek(entry, rangeOf(query, entry), 'hit');
    return run === undefined || isAllHoles(run) ? undefined : pageJson(run);
  }

  async message(
    chatId: string,
    seq: number,
    options: ReadOptions,
  ): Promise<Answer<CachedJson<WireMessage> | 'missing'>> {
    const { run, source } = await this.messages.read(chatId, this.#wish(options), (entry) =>
      isVisible(entry, options)
        ? { fromSeq: Math.max(seq, entry.firstSeq), toSeq: Math.min(seq, entry.lastSeq) }
        : undefined,
    );
    if (run === undefined) return { source, found: undefined };
    return { source, found: run.slices.length === 0 ? 'missing' : new CachedJson(run.version, source, run.slices) };
  }

  /**
   * Loads chats that are not held together, so that reading them one by one asks for little more.
   *
   * @returns the chats that are worth reading: not those that are not held and that the viewer is not in; and which of them were loaded.
   */
  async prepare(chatIds: readonly string[], limit: number, viewer: Viewer): Promise<PreparedChats> {
    if (!this.state.isHolding) return { readable: chatIds, loaded: new Set() };
    const missing = chatIds.filter((chatId) => this.chats.peek(chatId) === undefined);
    const loadable = await this.chats.findLoadable(missing, viewer);
    await this.chats.loadMany(loadable, Math.max(limit, this.state.options.tailMessages));
    const loaded = new Set(loadable);
    if (loadable.length === missing.length) return { readable: chatIds, loaded };
    const left = new Set(missing.filter((chatId) => !loaded.has(chatId)));
    return { readable: chatIds.filter((chatId) => !left.has(chatId)), loaded };
  }

  async inbox(
    userId: string,
    after: InboxPosition | undefined,
    limit: number,
    options: ReadOptions,
  ): Promise<Answer<CachedJson<WireInbox>>> {
    const found = await this.inboxes.read(userId, { after, limit, ...this.#wish(options) });
    return { found, source: found.source };
  }

  /** @throws ScrollbackError `changes_gone` when the version is older than what can be told, or newer than the chat. */
  async changes(
    chatId: string,
    since: number,
    limit: number,
    options: ReadOptions,
  ): Promise<Answer<CachedJson<WireChanges>>> {
    const { entry, source } = await this.#read(chatId, options);
    if (!isVisible(entry, options)) return { source, found: undefined };
    if (since === entry.version) return { source, found: unchangedJson(entry, source) };
    // What changed is told by one snapshot of the database, at least as new as the entry.
    const known = { participantCount: entry.members.size, version: entry.version };
    const loaded = await this.repository.loadChanges(chatId, since, limit, known, options.viewer);
    if (loaded === undefined) return { source: this.#missOrBypass, found: undefined };
    // Whoever was told of these changes is not shown the chat as it was before them.
    this.state.noteVersion(chatId, loaded.version, 'read');
    // The entry may be of a time when the viewer was still in the chat; what came after they were removed is not for them.
    if (!loaded.isVisible) return { source: this.#missOrBypass, found: undefined };
    if (since < loaded.resetVersion || since > loaded.version) {
      throw new ScrollbackError('changes_gone', `Changes since version ${since} cannot be told. Load the chat anew.`);
    }
    return { source: this.#missOrBypass, found: changesJson(loaded, this.#missOrBypass) };
  }

  async #read(chatId: string, options: ReadOptions): Promise<{ entry: ChatEntry; source: CacheResult }> {
    const { entry, source } = await this.chats.read(chatId, this.#wish(options));
    if (source === 'miss') return { entry, source: this.#missOrBypass };
    this.state.store.touch(entry);
    return { entry, source };
  }

  /** Users get nothing that may be old: it may be their membership that has changed. */
  #wish({ minVersion, viewer }: ReadOptions): EntryWish {
    if (viewer === undefined) return { minVersion, allowsStale: this.state.options.staleReads !== 'refuse' };
    return { minVersion, allowsStale: false, viewer };
  }

  get #missOrBypass(): CacheResult {
    return this.state.isHolding ? 'miss' : 'bypass';
  }
}

/** Whether there were messages in the whole range, and none is left. */
function isAllHoles({ slices, range }: MessageRun): boolean {
  return slices.length === 0 && range.toSeq >= range.fromSeq;
}

/** Where a query goes on behind a run of holes; `undefined` when there is nothing in its direction. */
function placeBeyond(query: MessagesQuery, { older, newer }: MessageNeighbours): PageQuery | undefined {
  const { after, around, limit = DEFAULT_PAGE_LIMIT } = query;
  if (after !== undefined) return newer === undefined ? undefined : { after: newer - 1, limit };
  if (around === undefined) return older === undefined ? undefined : { before: older + 1, limit };
  const nearest = newer ?? older;
  return nearest === undefined ? undefined : { around: nearest, limit };
}

function pageJson(run: MessageRun, neighbours?: MessageNeighbours): CachedJson<WirePage> {
  const { chatId, range, firstSeq, lastSeq, version, source, slices } = run;
  const isEmpty = firstSeq > lastSeq;
  const hasOlder = neighbours === undefined ? range.fromSeq > firstSeq && !isEmpty : neighbours.older !== undefined;
  const hasNewer = neighbours === undefined ? range.toSeq < lastSeq && !isEmpty : neighbours.newer !== undefined;
  return new CachedJson(version, source, [
    `{"chatId":"${chatId}","items":[`,
    ...joinParts(slices),
    `],"hasOlder":${hasOlder},"hasNewer":${hasNewer},"version":${version}}`,
  ]);
}
