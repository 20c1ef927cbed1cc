import { Inject, Injectable } from '@nestjs/common';
import { ChatRepository } from '../../storage/chat-repository.js';
import { CacheState, type ReadState } from '../cache-state.js';
import type { CacheResult } from '../cache-stats.js';
import { CachedJson } from '../cached-json.js';
import { ENTRY_OVERHEAD_BYTES, type ChatEntry } from '../local/chat-entry.js';
import { UserEntry } from '../local/user-entry.js';
import type { WireInbox } from '../wire-types.js';
import { ChatReader } from './chat-reader.js';
import { inboxCursor, type InboxPosition } from './inbox-cursor.js';
import { ShownChats } from './shown-chats.js';
import { UnreadReader } from './unread-reader.js';

/** Part of the budget that the chats missing for one inbox may take. */
const KEPT_SHARE = 0.1;

/** Times an inbox is put together anew because chats left the cache meanwhile. */
const INBOX_ATTEMPTS = 5;

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
  ) {}

  /**
   * Reads a part of a user's inbox: of the chats that were not shown on earlier parts, those with the latest activity. O(chats of
   * the user), plus a sort of them.
   */
  async read(userId: string, after: InboxPosition | undefined, limit: number): Promise<CachedJson<WireInbox>> {
    let source: CacheResult = this.state.isHolding ? 'hit' : 'bypass';
    let user = this.state.isHolding ? this.state.store.getUser(userId) : undefined;
    if (user === undefined) {
      user = await this.#fillUser(userId);
      if (source === 'hit') source = 'miss';
    } else {
      this.state.store.touchUser(user);
    }
    for (let attempt = 0; ; attempt++) {
      const found = await this.#collect(user);
      if (!found.isHit && source === 'hit') source = 'miss';
      const rest = after === undefined ? found.entries : found.entries.filter(({ chatId }) => !after.has(chatId));
      const page = rest.sort(byActivity).slice(0, limit);
      const counted = await this.unread.count(page, userId);
      if (!counted.isHit && source === 'hit') source = 'miss';
      // Counting may have taken a while: what was read before is put together anew if anything moved.
      const isFresh = counted.isHit || attempt === INBOX_ATTEMPTS;
      for (const [chatId, version] of counted.behind) await this.chats.refresh(chatId, version);
      if (!isFresh && (found.isKept || counted.behind.size > 0)) continue;
      const items = page.map((entry) => itemParts(entry, userId, counted.unread.get(entry.chatId)));
      const next = rest.length <= limit ? 'null' : `"${cursorBehind(page, found.entries, after, userId)}"`;
      return new CachedJson(0, source, [
        '{"items":[',
        ...items.filter((parts) => parts.length > 0).flatMap((parts, at) => (at === 0 ? parts : [',', ...parts])),
        `],"nextCursor":${next}}`,
      ]);
    }
  }

  /** The entries of the chats that the user is in by the chats' own word, loading those that are not held. */
  async #collect(user: UserEntry): Promise<{ entries: ChatEntry[]; isHit: boolean; isKept: boolean }> {
    const entries: ChatEntry[] = [];
    const missing: string[] = [];
    for (const chatId of user.chatIds) {
      const entry = this.chats.peek(chatId);
      if (entry === undefined) {
        missing.push(chatId);
      } else if (entry.members.has(user.userId)) {
        this.state.store.touch(entry);
        entries.push(entry);
      }
    }
    // An inbox that does not fit would push out everything else, and itself.
    const isKept =
      this.state.isHolding && missing.length * ENTRY_OVERHEAD_BYTES < this.state.store.maxBytes * KEPT_SHARE;
    const loaded = await (isKept || missing.length === 0
      ? this.chats.loadMany(missing, 0)
      : this.chats.loadPast(missing, 0));
    for (const entry of loaded) if (entry.members.has(user.userId)) entries.push(entry);
    return { entries, isHit: missing.length === 0, isKept };
  }

  #fillUser(userId: string): Promise<UserEntry> {
    const pending = this.#pendingUsers.get(userId);
    // One that has been forgotten meanwhile does not hear of what happens any more: it is not joined.
    if (pending !== undefined && this.state.isHolding && this.state.userFills.has(userId)) return pending;
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
