import type { Change } from '../../storage/write/change.js';

/**
 * Changes kept of all chats together. Too few and two busy writers make each other's peers repair from the database; too many and what
 * will never be needed takes memory: an early change is used within milliseconds or not at all.
 */
const KEPT_LIMIT = 1000;

/** Keeps changes that have come before the ones that lead to them. Bounded: the oldest go first. */
export class EarlyChanges {
  readonly #kept = new Map<string, Map<number, Change>>();
  #size = 0;

  /** Changes kept now. */
  get size(): number {
    return this.#size;
  }

  /** Keeps a change of a chat. O(1). */
  keep(chatId: string, change: Change): void {
    let ofChat = this.#kept.get(chatId);
    if (ofChat === undefined) this.#kept.set(chatId, (ofChat = new Map()));
    if (ofChat.has(change.version)) return;
    ofChat.set(change.version, change);
    this.#size++;
    while (this.#size > KEPT_LIMIT) this.forget(this.#kept.keys().next().value!);
  }

  /** Gives the change of a chat that has a version, and keeps it no longer. */
  take(chatId: string, version: number): Change | undefined {
    const ofChat = this.#kept.get(chatId);
    const change = ofChat?.get(version);
    if (ofChat === undefined || change === undefined) return undefined;
    ofChat.delete(version);
    this.#size--;
    if (ofChat.size === 0) this.#kept.delete(chatId);
    return change;
  }

  /** Keeps nothing of a chat any more. */
  forget(chatId: string): void {
    this.#size -= this.#kept.get(chatId)?.size ?? 0;
    this.#kept.delete(chatId);
  }

  /** Keeps nothing any more. */
  clear(): void {
    this.#kept.clear();
    this.#size = 0;
  }
}
