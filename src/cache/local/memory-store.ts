import { ChatEntry } from './chat-entry.js';
import { MessageBlock } from './message-block.js';
import { RecencyList, type Resident } from './resident.js';
import { UserEntry } from './user-entry.js';

/** Why something left the cache; the `cause` label of `scrollback_cache_evictions_total`. */
export type RemovalCause = 'budget' | 'invalidated' | 'replaced';

/**
 * Holds entries, their blocks and the user index within a budget of bytes.
 *
 * The ledger is the sum of what each resident was last charged, capacity and overhead included. Every operation that
 * can change a resident charges it again and then evicts from the cold end until the ledger is within the budget.
 * Evicting an entry takes its blocks along: they are of its version and mean nothing without it. Touching a block
 * touches its entry after it, so an entry is never colder than its blocks.
 */
export class MemoryStore {
  readonly #chats = new Map<string, ChatEntry>();
  readonly #users = new Map<string, UserEntry>();
  readonly #recency = new RecencyList();
  readonly #removals: Record<RemovalCause, number> = { budget: 0, invalidated: 0, replaced: 0 };
  #bytes = 0;
  #blocks = 0;

  constructor(
    /** The budget. */
    readonly maxBytes: number,
  ) {}

  /** What is held, in bytes: never more than {@link maxBytes} between two operations. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Chats held, absent ones included. */
  get chatCount(): number {
    return this.#chats.size;
  }

  /** Message blocks held. */
  get blockCount(): number {
    return this.#blocks;
  }

  /** Entries and blocks that have left, by cause. */
  get removals(): Readonly<Record<RemovalCause, number>> {
    return this.#removals;
  }

  /** The entry of a chat, without counting as use. */
  getChat(chatId: string): ChatEntry | undefined {
    return this.#chats.get(chatId);
  }

  /** The index of a user, without counting as use. */
  getUser(userId: string): UserEntry | undefined {
    return this.#users.get(userId);
  }

  /** User ids whose index is held. */
  get userIds(): IterableIterator<string> {
    return this.#users.keys();
  }

  /** From the hottest to the coldest chat. */
  *hottestChats(): Iterable<ChatEntry> {
    for (const resident of this.#recency) if (resident instanceof ChatEntry) yield resident;
  }

  /** Counts as use of a chat and, if named, of blocks of it. */
  touch(entry: ChatEntry, fromIndex = 0, toIndex = -1): void {
    for (let index = fromIndex; index <= toIndex; index++) {
      const block = entry.blocks.get(index);
      if (block !== undefined) this.#recency.touch(block);
    }
    this.#recency.touch(entry);
  }

  /** Counts as use of a user's index. */
  touchUser(user: UserEntry): void {
    this.#recency.touch(user);
  }

  /**
   * Holds an entry with its blocks in the place of an older one. The budget may send it away at once.
   *
   * @param end - where in the order of eviction: warming puts what it brings behind what readers have asked for.
   */
  installChat(entry: ChatEntry, end: 'warm' | 'cold' = 'warm'): void {
    const before = this.#chats.get(entry.chatId);
    if (before !== undefined) this.#drop(before, 'replaced');
    this.#chats.set(entry.chatId, entry);
    if (end === 'cold') this.#hold(entry, end);
    for (const block of entry.blocks.values()) this.#holdBlock(entry, block, end);
    if (end === 'warm') this.#hold(entry, end);
    if (this.#users.size > 0) {
      for (const userId of entry.members.keys()) this.#noteUserChat(userId, entry.chatId);
    }
    this.#evict();
  }

  /** Holds a block of a held entry. */
  installBlock(entry: ChatEntry, block: MessageBlock): void {
    const before = entry.blocks.get(block.index);
    if (before !== undefined) this.#release(before);
    entry.blocks.set(block.index, block);
    this.#holdBlock(entry, block);
    this.#recency.touch(entry);
    this.#evict();
  }

  /** Holds a user's index. */
  installUser(user: UserEntry): void {
    const before = this.#users.get(user.userId);
    if (before !== undefined) this.#release(before);
    this.#users.set(user.userId, user);
    this.#hold(user);
    this.#evict();
  }

  /** Charges a held entry, and the block of one of its messages, again after a change. */
  recharge(entry: ChatEntry, seq?: number): void {
    this.#charge(entry);
    const block = seq === undefined ? undefined : entry.blocks.get(MessageBlock.indexOf(seq));
    if (block !== undefined) {
      if (block.chargedBytes === 0) {
        // A write is not a use: the new block goes where its chat is.
        block.siblings = entry.blocks;
        this.#recency.addBehind(block, entry);
        this.#blocks++;
        this.#charge(block);
      } else {
        this.#charge(block);
      }
    }
    this.#evict();
  }

  /** Notes that a user is in a chat, if the user's index is held. */
  addUserChat(userId: string, chatId: string): void {
    this.#noteUserChat(userId, chatId);
    this.#evict();
  }

  #noteUserChat(userId: string, chatId: string): void {
    const user = this.#users.get(userId);
    if (user === undefined || user.chatIds.has(chatId)) return;
    user.chatIds.add(chatId);
    this.#charge(user);
  }

  /** Notes that a user is not in a chat any more. */
  deleteUserChat(userId: string, chatId: string): void {
    const user = this.#users.get(userId);
    if (user?.chatIds.delete(chatId) === true) this.#charge(user);
  }

  /** Forgets a chat. */
  removeChat(entry: ChatEntry, cause: RemovalCause): void {
    this.#chats.delete(entry.chatId);
    this.#drop(entry, cause);
  }

  /** Forgets who is in which chats. */
  clearUsers(): void {
    for (const user of this.#users.values()) this.#release(user);
    this.#users.clear();
  }

  /** Forgets everything. */
  clear(): void {
    for (const entry of this.#chats.values()) this.removeChat(entry, 'invalidated');
    this.clearUsers();
  }

  #hold(resident: Resident, end: 'warm' | 'cold' = 'warm'): void {
    if (end === 'warm') this.#recency.add(resident);
    else this.#recency.addOldest(resident);
    if (resident instanceof MessageBlock) this.#blocks++;
    this.#charge(resident);
  }

  #holdBlock(entry: ChatEntry, block: MessageBlock, end: 'warm' | 'cold' = 'warm'): void {
    block.siblings = entry.blocks;
    this.#hold(block, end);
  }

  #release(resident: Resident): void {
    this.#recency.remove(resident);
    if (resident instanceof MessageBlock) this.#blocks--;
    this.#bytes -= resident.chargedBytes;
    resident.chargedBytes = 0;
  }

  #charge(resident: Resident): void {
    const { bytes } = resident;
    this.#bytes += bytes - resident.chargedBytes;
    resident.chargedBytes = bytes;
  }

  #drop(entry: ChatEntry, cause: RemovalCause): void {
    this.#removals[cause]++;
    for (const block of entry.blocks.values()) this.#release(block);
    this.#release(entry);
  }

  #evict(): void {
    while (this.#bytes > this.maxBytes) {
      const coldest = this.#recency.oldest;
      if (coldest === undefined) return;
      if (coldest instanceof ChatEntry) {
        this.removeChat(coldest, 'budget');
      } else if (coldest instanceof UserEntry) {
        this.#users.delete(coldest.userId);
        this.#release(coldest);
      } else if (coldest instanceof MessageBlock) {
        this.#removals.budget++;
        coldest.siblings?.delete(coldest.index);
        this.#release(coldest);
      }
    }
  }
}
