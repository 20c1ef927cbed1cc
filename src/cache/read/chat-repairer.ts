import { Inject, Injectable } from '@nestjs/common';
import { MessageRepository, type LoadedChanges } from '../../storage/message-repository.js';
import { CacheState, type ReadState } from '../cache-state.js';
import { CacheStats } from '../cache-stats.js';
import { CoherenceStats } from '../coherence/coherence-stats.js';
import type { ChatEntry } from '../local/chat-entry.js';
import type { Fill } from './fill-board.js';

/** Changed rows that bringing an entry up to date may read. With more, loading it anew is not much dearer. */
const REPAIR_LIMIT = 100;

/** Queries that one repair makes while others go on writing, before the chat is loaded anew. */
const REPAIR_ATTEMPTS = 4;

/** Brings entries that have missed something up to date by asking what has changed since. What else they hold stays. */
@Injectable()
export class ChatRepairer {
  constructor(
    @Inject(MessageRepository) private readonly messages: Pick<MessageRepository, 'loadChanges'>,
    @Inject(CacheState) private readonly state: ReadState,
    private readonly stats: CacheStats,
    private readonly coherence: CoherenceStats,
  ) {}

  /** Whether a chat is held that has missed something, or is older than a reader wants, and can be told what it lacks. */
  canRepair(chatId: string, minVersion = 0): boolean {
    const held = this.state.store.getChat(chatId);
    return held !== undefined && held.isPresent && (held.isBehind || held.version < minVersion);
  }

  /**
   * Brings a held entry to the highest version heard of.
   *
   * @param fill - on the board since before.
   * @returns the entry; `undefined` when the chat has to be loaded anew: it has left the cache, too much has changed, or rows have vanished.
   * @throws ScrollbackError `database_unavailable`.
   */
  async repair(entry: ChatEntry, fill: Fill): Promise<ChatEntry | undefined> {
    this.coherence.countRepair(entry.isBehind ? entry.heardFrom : 'read');
    for (let attempt = 1; attempt <= REPAIR_ATTEMPTS; attempt++) {
      const start = this.state.lease.now();
      const since = entry.version;
      const known = { participantCount: entry.members.size, version: since };
      const changes = await this.stats.measureLoad(() =>
        this.messages.loadChanges(entry.chatId, since, REPAIR_LIMIT, known),
      );
      if (fill.isVoid || this.state.store.getChat(entry.chatId) !== entry) return undefined;
      if (changes === undefined || !isWhole(changes, since) || !this.#advance(entry, changes)) return undefined;
      if (entry.isBehind || entry.version < fill.minVersion) continue;
      this.state.lease.confirmChat(entry, start);
      this.state.store.touch(entry);
      return entry;
    }
    return undefined;
  }

  /** Brings a held entry to the version of what was loaded, unless it is there already. */
  #advance(entry: ChatEntry, changes: LoadedChanges): boolean {
    if (changes.version <= entry.version) return true;
    for (const { seq } of changes.messages) this.state.store.dropPacked(entry, seq);
    const seqs = entry.catchUp(changes);
    if (seqs === undefined) return false;
    this.state.store.recharge(entry, seqs);
    this.state.applied.note(entry.chatId, entry.version, 'changes since', 'repair');
    this.state.waits.note(entry.chatId, entry.version);
    for (const { userId, leftAtMs } of changes.participants) {
      if (leftAtMs === null) this.state.addUserChat(userId, entry.chatId);
    }
    return true;
  }
}

/** Whether what changed after a version was told in full. */
function isWhole({ version, throughVersion, resetVersion }: LoadedChanges, since: number): boolean {
  return throughVersion === version && resetVersion <= since && since <= version;
}
