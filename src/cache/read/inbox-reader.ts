import { Inject, Injectable } from '@nestjs/common';
import { ChatRepository } from '../../storage/chat-repository.js';
import { CacheState, type ReadState } from '../cache-state.js';
import type { CacheResult } from '../cache-stats.js';
import { CachedJson } from '../cached-json.js';
import { ChatEntry, ENTRY_OVERHEAD_BYTES } from '../local/chat-entry.js';
import { UserEntry } from '../local/user-entry.js';
import type { WireInbox } from '../wire-types.js';
import { freshnessUnknown, Revalidator } from '../coherence/revalidator.js';
import { ChatReader } from './chat-reader.js';
import { inboxCursor, type InboxPosition } from './inbox-cursor.js';
import { ShownChats } from './shown-chats.js';
import { UnreadReader } from './unread-reader.js';

/** Part of the budget that the chats missing for one inbox may take. */
const KEPT_SHARE = 0.1;

/** What part of an inbox is wanted. */
export interface InboxQuery {
  readonly after: InboxPosition | undefined;
  readonly limit: number;
  /** Whether the reader may get what cannot be told to be current. */
  readonly allowsStale?: boolean;
}

/**
 * Times an inbox is put together from what is held, before it is read whole from the database: too few, and a write at the wrong moment
 * costs a snapshot; too many, and who reads what others write all the time waits for as many counts.
 */
const INBOX_ATTEMPTS = 6;

/**
 * Computes inboxes from the user index and the chats' entries at the time of reading. No order is stored: one message
 * would change the inbox of every member.
 */
@Injectable()
export class InboxReader {
  readonly #pendingUsers = new Map<string, Promise<UserEntry>>();

  constructor(
    private readonly repository: ChatRepository,
    private readonly chats: ChatReader,
    private readonly unread: UnreadReader,
    @Inject(CacheState) private readonly state: ReadState,
    private readonly doubts: Revalidator,
  ) {}

  /**
   * Reads a part of a user's inbox: of the chats that were not shown on earlier parts, those with the latest activity. O(chats of
   * the user), plus a sort of them.
   *
   * @throws ScrollbackError `freshness_unknown` when nobody can tell whether it is current, `database_unavailable`.
   */
  async read(userId: string, { after, limit, allowsStale = false }: InboxQuery): Promise<CachedJson<WireInbox>> {
    const known = await this.#readUser(userId, allowsStale);
    const { user } = known;
    let { source } = known;
    for (let attempt = 1; ; attempt++) {
      const found = await this.#collect(user, source === 'stale');
      if (!found.isHit && source === 'hit') source = 'miss';
      const rest = after === undefined ? found.entries : found.entries.filter(({ chatId }) => !after.has(chatId));
      const page = rest.sort(byActivity).slice(0, limit);
      const versions = page.map(({ version }) => version);
      const counted = await this.unread.count(page, userId);
      if (!counted.isHit && source === 'hit') source = 'miss';
      // A count of one version beside a chat of another would be a state that never was.
      const isWhole = counted.behind.size === 0 && page.every(({ version }, at) => version === versions[at]);
      // Counting may have taken a while: others may have moved up meanwhile, or in.
      const isFresh = counted.isHit || !found.isKept || attempt === INBOX_ATTEMPTS;
      if (!(isWhole && isFresh) && attempt < INBOX_ATTEMPTS) {
        for (const [chatId, version] of counted.behind) await this.chats.refresh(chatId, version);
        continue;
      }
      const items = isWhole
        ? page.map((entry) => itemParts(entry, userId, counted.unread.get(entry.chatId)))
        : await this.#readItems(page, userId);
      const next = rest.length <= limit ? 'null' : `"${cursorBehind(page, found.entries, after, userId)}"`;
      return new CachedJson(0, source, [
        '{"items":[',
        ...items.filter((parts) => parts.length > 0).flatMap((parts, at) => (at === 0 ? parts : [',', ...parts])),
        `],"nextCursor":${next}}`,
      ]);
    }
  }

  /** Reads chats of an inbox from the database, with their counts, in one snapshot. They may change faster than they can be counted here. */
  async #readItems(page: readonly ChatEntry[], userId: string): Promise<(string | Buffer)[][]> {
    const read = await this.repository.loadInbox(
      userId,
      page.map(({ chatId }) => chatId),
    );
    // What is held may be older, and nobody who comes after this reader may be told it.
    for (const { loaded } of read) this.state.noteVersion(loaded.chatId, loaded.head.version, 'read');
    const unread = new Map(read.map((each) => [each.loaded.chatId, each.unread]));
    const entries = read.map(({ loaded }) => new ChatEntry(loaded.chatId, loaded));
    return entries.sort(byActivity).map((entry) => itemParts(entry, userId, unread.get(entry.chatId)));
  }

  /** Finds the chats that a user is in. */
  async #readUser(userId: string, allowsStale: boolean): Promise<{ user: UserEntry; source: CacheResult }> {
    if (!this.state.isHolding) return { user: await this.#fillUser(userId), source: 'bypass' };
    const held = this.state.store.getUser(userId);
    if (held !== undefined && this.state.lease.isInDoubt) return this.#readInDoubt(held, allowsStale);
    if (held === undefined) return { user: await this.#fillUser(userId), source: 'miss' };
    this.state.store.touchUser(held);
    return { user: held, source: 'hit' };
  }

  /** Asks which chats the user is in now, and whether what is held of them is current. */
  async #readInDoubt(held: UserEntry, allowsStale: boolean): Promise<{ user: UserEntry; source: CacheResult }> {
    if (await this.doubts.confirmMany(held.chatIds)) return { user: await this.#fillUser(held.userId), source: 'miss' };
    if (!allowsStale) throw freshnessUnknown();
    return { user: held, source: 'stale' };
  }

  /**
   * The entries of the chats that the user is in by the chats' own word, loading those that are not held.
   *
   * @param takesStale - whether what is held is taken as it is, the database being away.
   */
  async #collect(
    user: UserEntry,
    takesStale: boolean,
  ): Promise<{ entries: ChatEntry[]; isHit: boolean; isKept: boolean }> {
    const entries: ChatEntry[] = [];
    const missing: string[] = [];
    for (const chatId of user.chatIds) {
      const entry = takesStale ? this.chats.peekStale(chatId) : this.chats.peek(chatId);
      if (entry === undefined) {
        missing.push(chatId);
      } else if (entry.members.has(user.userId)) {
        this.state.store.touch(entry);
        entries.push(entry);
      }
    }
    // An inbox that does not fit would push out everything else, and itself.
    const added = missing.filter((chatId) => this.state.store.getChat(chatId) === undefined).length;
    const isKept = this.state.isHolding && added * ENTRY_OVERHEAD_BYTES < this.state.store.maxBytes * KEPT_SHARE;
    const loaded = await (isKept || missing.length === 0
      ? this.chats.loadMany(missing, 0)
      : this.chats.loadPast(missing, 0));
    for (const entry of loaded) if (entry.members.has(user.userId)) entries.push(entry);
    return { entries, isHit: missing.length === 0, isKept };
  }

  #fillUser(userId: string): Promise<UserEntry> {
    const pending = this.#pendingUsers.get(userId);
    // One that has been forgotten meanwhile does not hear of what happens any more, one that began too long ago has not heard of it
    // from the poll: they are not joined.
    const hears = this.state.isHolding && this.state.userFills.has(userId);
    if (pending !== undefined && hears && this.state.lease.covers(pending)) return pending;
    const start = this.state.lease.now();
    const joined = new Set<string>();
    this.state.userFills.set(userId, joined);
    const filling = this.repository
      .loadUserChats(userId)
      .then((chatIds) => {
        const user = new UserEntry(userId, [...chatIds, ...joined]);
        const isCurrent = this.state.userFills.get(userId) === joined;
        if (this.state.isHolding && isCurrent) this.state.store.installUser(user);
        return user;
      })
      .finally(() => {
        if (this.#pendingUsers.get(userId) === filling) this.#pendingUsers.delete(userId);
        if (this.state.userFills.get(userId) === joined) this.state.userFills.delete(userId);
      });
    this.state.lease.confirmChat(filling, start);
    this.#pendingUsers.set(userId, filling);
    return filling;
  }
}

/** One chat of an inbox; nothing if the user has left it meanwhile. */
function itemParts(entry: ChatEntry, userId: string, unread: number | undefined): (string | Buffer)[] {
  const member = entry.members.get(userId);
  if (member === undefined || unread === undefined) return [];
  const { role, lastReadSeq } = member;
  return [
    `{"chat":${entry.json},"role":"${role}","lastReadSeq":${lastReadSeq},"unread":${unread},"lastMessage":`,
    entry.lastMessage ?? 'null',
    '}',
  ];
}

/** The position behind a page: what was shown before and on it, of all the user's chats. */
function cursorBehind(
  page: readonly ChatEntry[],
  entries: readonly ChatEntry[],
  before: InboxPosition | undefined,
  userId: string,
): string {
  const now = new Set(page.map(({ chatId }) => chatId));
  const chatIds = entries.map(({ chatId }) => chatId);
  const shown = ShownChats.of(chatIds, (chatId) => now.has(chatId) || before?.has(chatId) === true);
  return inboxCursor(shown, userId);
}

function byActivity(one: ChatEntry, other: ChatEntry): number {
  return other.lastActivityMs - one.lastActivityMs || (one.chatId < other.chatId ? -1 : 1);
}
