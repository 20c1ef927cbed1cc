import { Injectable } from '@nestjs/common';
import type { ChatChanges, Committed } from './change.js';

/** Who wants to know what this instance has committed. */
export interface ChangeListener {
  /** Called after COMMIT and before the writer is answered. Must not throw and must not wait. */
  onCommitted(changes: Committed<ChatChanges>): void;
  /** An operation has found the chat at this version, and changed nothing. */
  onVersionSeen(chatId: string, version: number): void;
  /** A COMMIT of this chat was lost half-way: what is known of the chat may be old. */
  onOutcomeUnknown(chatId: string): void;
}

/**
 * Tells listeners, at once and in the same turn, what this instance has committed. It is how writing through the
 * repositories updates the cache while storage knows nothing of caches.
 */
@Injectable()
export class ChangeFeed {
  readonly #listeners: ChangeListener[] = [];

  /** Adds a listener for the life of the application. */
  subscribe(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Announces committed changes. Changes of one chat must come in the order of their versions. */
  announce(changes: Committed<ChatChanges>): void {
    for (const listener of this.#listeners) listener.onCommitted(changes);
  }

  /** Announces that a chat has been found at a version: who knows an older one is behind. */
  announceSeen(chatId: string, version: number): void {
    for (const listener of this.#listeners) listener.onVersionSeen(chatId, version);
  }

  /** Announces that a commit's outcome is unknown. */
  announceUnknown(chatId: string): void {
    for (const listener of this.#listeners) listener.onOutcomeUnknown(chatId);
  }
}
