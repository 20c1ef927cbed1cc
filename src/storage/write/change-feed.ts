import { Injectable, Logger } from '@nestjs/common';
import { errorFields } from '../../common/error-fields.js';
import type { LogEvent } from '../../common/log-line.js';
import type { ChatChanges, Committed } from './change.js';

/** Who wants to know what this instance has committed. */
export interface ChangeListener {
  /** Called after COMMIT and before the writer is answered. Must not wait; when it throws, {@link onOutcomeUnknown} follows. */
  onCommitted(changes: Committed<ChatChanges>): void;
  /** An operation has found the chat at this version, and changed nothing. */
  onVersionSeen(chatId: string, version: number): void;
  /** A COMMIT of this chat was lost half-way: what is known of the chat may be old. */
  onOutcomeUnknown(chatId: string): void;
}

/**
 * Tells listeners, at once and in the same turn, what this instance has committed. It is how writing through the
 * repositories updates the cache while storage knows nothing of caches.
 *
 * @remarks Announcing never throws: what is told is committed, and whoever wrote it is to be answered, whatever a listener makes of it. One that
 * throws is told to forget the chat, since it may have taken a part of the changes; the others hear all.
 */
@Injectable()
export class ChangeFeed {
  readonly #logger = new Logger('ChangeFeed');
  readonly #listeners: ChangeListener[] = [];

  /** Adds a listener for the life of the application. */
  subscribe(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Announces committed changes. Changes of one chat must come in the order of their versions. */
  announce(changes: Committed<ChatChanges>): void {
    const { chatId } = changes;
    for (const listener of this.#listeners) {
      if (this.#tell(() => listener.onCommitted(changes))) continue;
      this.#tell(() => listener.onOutcomeUnknown(chatId));
      // A reader who is loading the chat may have begun before.
      this.#tell(() => listener.onVersionSeen(chatId, changes.changes.at(-1)!.version));
    }
  }

  /** Announces that a chat has been found at a version: who knows an older one is behind. */
  announceSeen(chatId: string, version: number): void {
    for (const listener of this.#listeners) {
      if (!this.#tell(() => listener.onVersionSeen(chatId, version))) {
        this.#tell(() => listener.onOutcomeUnknown(chatId));
      }
    }
  }

  /** Announces that a commit's outcome is unknown. */
  announceUnknown(chatId: string): void {
    for (const listener of this.#listeners) this.#tell(() => listener.onOutcomeUnknown(chatId));
  }

  /** @returns false when the listener has thrown, which is logged. */
  #tell(tell: () => void): boolean {
    try {
      tell();
      return true;
    } catch (error) {
      this.#logger.error({
        event: 'listener_failed',
        message: 'A listener has thrown on being told of a committed change.',
        ...errorFields(error),
      } satisfies LogEvent);
      return false;
    }
  }
}
