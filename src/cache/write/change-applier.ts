import { Injectable } from '@nestjs/common';
import type { Change, ChatChanges, Committed } from '../../storage/write/change.js';
import type { ChangeListener } from '../../storage/write/change-feed.js';
import { ChangeFeed } from '../../storage/write/change-feed.js';
import { CacheState } from '../cache-state.js';
import type { AppliedFrom } from '../coherence/applied-log.js';
import { judge } from '../coherence/protocol.js';
import type { ChatEntry } from '../local/chat-entry.js';

/**
 * Brings what is held up to what has been committed, here or by a peer, by the rules of `coherence/protocol.ts`. Fills on their way
 * hear of every change, whether the chat is held or not. A write is not an access: it brings nothing into the cache and nothing to its
 * warm end.
 */
@Injectable()
export class ChangeApplier implements ChangeListener {
  constructor(
    private readonly state: CacheState,
    feed: ChangeFeed,
  ) {
    feed.subscribe(this);
  }

  /** Applies what this instance has committed of one chat. Synchronous: no reader sees a part of it. */
  onCommitted(changes: Committed<ChatChanges>): void {
    this.#take(changes, 'own');
  }

  /** Applies what a peer has committed of one chat. */
  onHeard(changes: Committed<ChatChanges>): void {
    this.#take(changes, 'bus');
  }

  /** Forgets a chat that may have changed. If the commit did happen, the poll tells of it. */
  onOutcomeUnknown(chatId: string): void {
    this.forget(chatId);
  }

  /** Drops what is held of a chat, and what waits to be applied to it. */
  forget(chatId: string): void {
    const entry = this.state.store.getChat(chatId);
    if (entry !== undefined) this.state.store.removeChat(entry, 'invalidated');
    this.state.early.forget(chatId);
  }

  /** Learns from an own operation that has changed nothing that a chat is at a version. */
  onVersionSeen(chatId: string, version: number): void {
    this.state.noteVersion(chatId, version, 'read');
  }

  /** Learns from the database that a user is in a chat. */
  onMembershipSeen(userId: string, chatId: string): void {
    this.state.addUserChat(userId, chatId);
  }

  /** Learns that users have come into chats, and not which: what is known of who is where is forgotten. */
  onMembershipsUnknown(): void {
    this.state.store.clearUsers();
    // An index that is on its way may be from before: it is used by who waits for it, and not kept.
    this.state.userFills.clear();
  }

  #take({ chatId, changes }: ChatChanges, from: AppliedFrom): void {
    for (const change of changes) {
      this.state.board.noteChange(chatId, change);
      this.#applyToUsers(chatId, change);
      this.#applyToEntry(chatId, change, from);
    }
  }

  #applyToEntry(chatId: string, change: Change, from: AppliedFrom): void {
    const entry = this.state.store.getChat(chatId);
    if (entry === undefined) return;
    switch (judge(entry.version, change.version)) {
      case 'ignore':
        return;
      case 'early':
        if (from === 'own') entry.tell(change.version);
        if (!this.state.isSought(entry)) {
          this.state.noteSkipped(chatId, change.version, change.version);
          return;
        }
        this.state.early.keep(chatId, change);
        this.state.noteVersion(chatId, change.version, 'gap');
        return;
      case 'apply':
        this.#apply(entry, change, from);
    }
  }

  /** Applies a change, and those that have waited for it. */
  #apply(entry: ChatEntry, first: Change, from: AppliedFrom): void {
    for (let next: Change | undefined = first; next !== undefined;) {
      const seqs: number[] = next.type === 'message' ? [next.message.seq] : [];
      for (const seq of seqs) this.state.store.dropPacked(entry, seq);
      if (!entry.apply(next)) {
        this.forget(entry.chatId);
        return;
      }
      if (from === 'bus') entry.unseenChanges++;
      this.state.store.recharge(entry, seqs);
      this.state.applied.note(entry.chatId, entry.version, kindOf(next), from);
      next = this.state.early.take(entry.chatId, entry.version + 1);
    }
    this.state.waits.note(entry.chatId, entry.version);
  }

  /** The index may name a chat too many, never one too few: see `UserEntry`. */
  #applyToUsers(chatId: string, change: Change): void {
    if (change.type === 'created') {
      for (const userId of change.userIds) this.state.addUserChat(userId, chatId);
    } else if (change.type === 'participant' && change.participant.leftAtMs === null) {
      if (change.cause === 'joined') this.state.addUserChat(change.participant.userId, chatId);
    }
  }
}

function kindOf(change: Change): string {
  return 'cause' in change ? `${change.type} ${change.cause}` : change.type;
}
