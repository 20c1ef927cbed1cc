import type { ChatChanges, Change, Committed } from '../../storage/write/change.js';
import type { ChangeFeed, ChangeListener } from '../../storage/write/change-feed.js';
import type { CacheState } from '../cache-state.js';
import type { SharedChats } from './shared-chats.js';

/**
 * Takes what was deleted or replaced out of what instances share: nobody believes it any more, but it would lie there until the next reader
 * replaces it, or its time is over. Nobody waits for it, and where Redis cannot be reached that time is the limit.
 */
export class SharedEraser implements ChangeListener {
  constructor(
    private readonly shared: Pick<SharedChats, 'erase'>,
    private readonly state: CacheState,
    feed: Pick<ChangeFeed, 'subscribe'>,
  ) {
    feed.subscribe(this);
    // By hand, by a purge, by another service: what has been done to the chat is not told.
    state.onFoundChanged = (chatId, version) => this.#erase(chatId, version);
  }

  onCommitted({ chatId, changes }: Committed<ChatChanges>): void {
    if (changes.some(takesAway)) this.#erase(chatId, changes.at(-1)!.version);
  }

  onVersionSeen(): void {}

  /** If it did happen, the poll finds it. */
  onOutcomeUnknown(): void {}

  #erase(chatId: string, version: number): void {
    const { run } = this.state;
    if (run !== undefined) this.shared.erase(chatId, run, version);
  }
}

/** Whether a change takes away what somebody may want gone. Reactions come and go too often to be told to Redis. */
function takesAway(change: Change): boolean {
  switch (change.type) {
    case 'message':
      return change.cause === 'edited' || change.cause === 'deleted';
    case 'chat':
    case 'removed':
      return true;
    case 'participant':
      return change.cause === 'left';
    case 'created':
      return false;
  }
}
