import { CacheState } from '../cache-state.js';
import type { SharedChats } from '../shared/shared-chats.js';

/** Drops chats that may be wrong, so that whoever reads them next gets what the database has. */
export class ChatDropper {
  constructor(
    private readonly state: CacheState,
    /** Absent: nothing is shared. */
    private readonly shared: Pick<SharedChats, 'distrust'> | undefined,
  ) {}

  /** Drops a chat here, and has what is shared of it replaced by its next reader. */
  drop(chatId: string): void {
    this.shared?.distrust(chatId);
    const entry = this.state.store.getChat(chatId);
    if (entry !== undefined) this.state.store.removeChat(entry, 'invalidated');
  }
}
