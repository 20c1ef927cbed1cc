import { Inject, Injectable } from '@nestjs/common';
import { ChatRepository } from '../../storage/chat-repository.js';
import { isCountable } from '../../storage/records.js';
import type { Change } from '../../storage/write/change.js';
import { CacheState, type ReadState } from '../cache-state.js';
import type { ChatEntry } from '../local/chat-entry.js';
import { changesBetween } from './fill-board.js';

/** Unread messages of one user, by chat id. */
export interface UnreadCounts {
  readonly unread: ReadonlyMap<string, number>;
  /** Whether all were known without asking the database. */
  readonly isHit: boolean;
  /** Chats that the database has at a later version than their entry: the version by chat id. */
  readonly behind: ReadonlyMap<string, number>;
}

/**
 * Tells how many messages a user has not read. Counted once by the database and then kept right by every change, so
 * that the count is exact and costs a subtraction.
 */
@Injectable()
export class UnreadReader {
  constructor(
    private readonly repository: ChatRepository,
    @Inject(CacheState) private readonly state: ReadState,
  ) {}

  /** Counts a user's unread messages in chats that they are in. Chats that they are not in are left out. */
  async count(entries: readonly ChatEntry[], userId: string): Promise<UnreadCounts> {
    const unread = new Map<string, number>();
    const missing = new Map<string, ChatEntry>();
    for (const entry of entries) {
      const member = entry.members.get(userId);
      if (member === undefined) continue;
      const count = entry.unreadOf(member);
      if (count === undefined) missing.set(entry.chatId, entry);
      else unread.set(entry.chatId, count);
    }
    const behind = new Map<string, number>();
    if (missing.size === 0) return { unread, isHit: true, behind };
    const fills = new Map([...missing.keys()].map((chatId) => [chatId, this.state.board.open(chatId)]));
    try {
      for (const counted of await this.repository.countUnread(userId, [...missing.keys()])) {
        unread.set(counted.chatId, counted.unread);
        if (counted.version > missing.get(counted.chatId)!.version) behind.set(counted.chatId, counted.version);
        const entry = this.state.store.getChat(counted.chatId);
        const member = entry?.members.get(userId);
        if (entry === undefined || member === undefined) continue;
        const fill = fills.get(counted.chatId)!;
        const missed = changesBetween(fill.journal, counted.version, entry.version);
        if (counted.version > entry.version || missed === undefined || fill.isVoid) continue;
        const advanced = missed.reduce<Count>((count, change) => advance(count, change, userId), counted);
        entry.setUnread(member, advanced.unread);
      }
    } finally {
      for (const [chatId, fill] of fills) this.state.board.close(chatId, fill);
    }
    return { unread, isHit: false, behind };
  }
}

interface Count {
  readonly unread: number;
  readonly lastReadSeq: number;
}

/** Brings a count forward by one change that came after it was taken. */
function advance(count: Count, change: Change, userId: string): Count {
  if (change.type === 'participant') {
    const { participant, unread } = change;
    if (participant.userId !== userId || unread === undefined) return count;
    return { unread, lastReadSeq: participant.lastReadSeq };
  }
  if (change.type !== 'message' || change.message.senderId === userId) return count;
  const { message, cause, wasCountable } = change;
  if (cause === 'sent') return isCountable(message) ? { ...count, unread: count.unread + 1 } : count;
  const isUncounted = wasCountable && !isCountable(message) && message.seq > count.lastReadSeq;
  return isUncounted ? { ...count, unread: count.unread - 1 } : count;
}
