import { Injectable } from '@nestjs/common';
import type { Change, ChatChanges, Committed } from '../../storage/write/change.js';
import type { ChangeListener } from '../../storage/write/change-feed.js';
import { ChangeFeed } from '../../storage/write/change-feed.js';
import { CacheState } from '../cache-state.js';

/**
 * Brings what is held up to what has been committed.
 *
 * A change with version v makes an entry at v - 1 an entry at v. An entry at v or later has it already. Any other entry
 * has missed something and is forgotten: the next reader loads it. Fills on their way hear of every change, whether the
 * chat is held or not. A write is not an access: it brings nothing into the cache and nothing to its warm end.
 */
@Injectable()
export class ChangeApplier implements ChangeListener {
  constructor(
    private readonly state: CacheState,
    feed: ChangeFeed,
  ) {
    feed.subscribe(this);
  }

  /** Applies the changes of one chat. Synchronous: no reader sees a part of them. */
  onCommitted({ chatId, changes }: Committed<ChatChanges>): void {
    for (const change of changes) {
      this.state.board.noteChange(chatId, change);
      this.#applyToUsers(chatId, change);
      this.#applyToEntry(chatId, change);
    }
  }

  /** Forgets a chat that may have changed. If the commit did happen, the poll tells of it. */
  onOutcomeUnknown(chatId: string): void {
    const entry = this.state.store.getChat(chatId);
    if (entry !== undefined) this.state.store.removeChat(entry, 'invalidated');
  }

  /** Learns from somewhere else than an own commit that a chat has reached a version. */
  onVersionSeen(chatId: string, version: number): void {
    this.state.board.noteVersion(chatId, version);
    const entry = this.state.store.getChat(chatId);
    if (entry !== undefined && entry.version < version) this.state.store.removeChat(entry, 'invalidated');
  }

  /** Learns from the database that a user is in a chat. */
  onMembershipSeen(userId: string, chatId: string): void {
    this.#addUserChat(userId, chatId);
  }

  /** Learns that users have come into chats, and not which: what is known of who is where is forgotten. */
  onMembershipsUnknown(): void {
    this.state.store.clearUsers();
    // An index that is on its way may be from before: it is used by who waits for it, and not kept.
    this.state.userFills.clear();
  }

  #applyToEntry(chatId: string, change: Change): void {
    const entry = this.state.store.getChat(chatId);
    if (entry === undefined || change.version <= entry.version) return;
    if (change.type === 'message') this.state.store.dropPacked(entry, change.message.seq);
    if (entry.apply(change)) {
      this.state.store.recharge(entry, change.type === 'message' ? change.message.seq : undefined);
    } else {
      this.state.store.removeChat(entry, 'invalidated');
    }
  }

  /** The index may name a chat too many, never one too few: see `UserEntry`. */
  #applyToUsers(chatId: string, change: Change): void {
    if (change.type === 'created') {
      for (const userId of change.userIds) this.#addUserChat(userId, chatId);
    } else if (change.type === 'participant' && change.participant.leftAtMs === null) {
      if (change.cause === 'joined') this.#addUserChat(change.participant.userId, chatId);
    }
  }

  #addUserChat(userId: string, chatId: string): void {
    this.state.store.addUserChat(userId, chatId);
    this.state.userFills.get(userId)?.add(chatId);
  }
}
