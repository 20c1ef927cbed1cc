import { ChatEntry } from './chat-entry.js';
import { BlockShelf, type PolicyFactory } from './block-shelf.js';
import type { EvictionPolicy, EvictionPolicyName } from './eviction/eviction-policy.js';
import { MessageBlock } from './message-block.js';
import { forgetUnpacked } from './packing.js';
import type { Resident } from './resident.js';
import { UserEntry } from './user-entry.js';

/** Why something left the cache; the `cause` label of `scrollback_cache_evictions_total`. */
export type RemovalCause = 'budget' | 'invalidated' | 'replaced';

/**
 * Part of the budget that entries and the user index keep even when blocks want it. Too small and a chat's head, members and
 * unread counts go while history stays; too large and the history that could have stayed goes for chats that nobody opens. What
 * entries do not take of it, blocks have.
 */
const ENTRY_SHARE = 0.3;

/**
 * Holds entries, their blocks and the user index within a budget of bytes.
 *
 * The ledger is the sum of what each resident was last charged, capacity and overhead included. Every operation that
 * can change a resident charges it again and then evicts until the ledger is within the budget.
 *
 * Small long-lived residents (entries, user index) and large ones that come and go (blocks) have policies of their own, so that
 * reading through an archive does not push out what every inbox needs. Blocks go first: a chat loses its history before it goes
 * itself. Evicting an entry takes its blocks along: they are of its version and mean nothing without it.
 *
 * A block that is packed when it is written to is dropped: unpacking at every write would cost more than the next reader's load.
 */
export class MemoryStore {
  readonly #chats = new Map<string, ChatEntry>();
  readonly #users = new Map<string, UserEntry>();
  readonly #removals: Record<RemovalCause, number> = { budget: 0, invalidated: 0, replaced: 0 };
  readonly #entryPolicy: EvictionPolicy;
  readonly #shelf: BlockShelf;

  constructor(
    /** The budget. */
    readonly maxBytes: number,
    makePolicy: PolicyFactory,
  ) {
    this.#entryPolicy = makePolicy(maxBytes * ENTRY_SHARE);
    this.#shelf = new BlockShelf(makePolicy, maxBytes * (1 - ENTRY_SHARE));
  }

  /** Name of the policy. */
  get policy(): EvictionPolicyName {
    return this.#shelf.policy;
  }

  /** What is held, in bytes: never more than {@link maxBytes} between two operations. */
  get bytes(): number {
    return this.#entryPolicy.bytes + this.#shelf.bytes;
  }

  /** Chats held, absent ones included. */
  get chatCount(): number {
    return this.#chats.size;
  }

  /** Message blocks held. */
  get blockCount(): number {
    return this.#shelf.size;
  }

  /** Those of them that are packed. */
  get packedBlockCount(): number {
    return this.#shelf.packedCount;
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

  /** Ids of the chats held, absent ones included. */
  get chatIds(): IterableIterator<string> {
    return this.#chats.keys();
  }

  /** User ids whose index is held. */
  get userIds(): IterableIterator<string> {
    return this.#users.keys();
  }

  /** From the chat to be kept longest to the one to go first. */
  *hottestChats(): Iterable<ChatEntry> {
    for (const resident of this.#entryPolicy.hottest()) if (resident instanceof ChatEntry) yield resident;
  }

  /** Counts as use of a chat and, if named, of blocks of it. What is not held any more is left alone. */
  touch(entry: ChatEntry, fromIndex = 0, toIndex = -1): void {
    if (!isHeld(entry)) return;
    entry.hits++;
    entry.unseenChanges = 0;
    for (let index = fromIndex; index <= toIndex; index++) {
      const block = entry.blocks.get(index);
      if (block !== undefined && isHeld(block)) this.#shelf.touch(block);
    }
    this.#entryPolicy.touch(entry);
    this.#evict();
  }

  /** Counts as use of a user's index. */
  touchUser(user: UserEntry): void {
    this.#entryPolicy.touch(user);
  }

  /**
   * Holds an entry with its blocks in the place of an older one. The budget may send it away at once.
   *
   * @param place - `cold` puts it behind what readers have asked for: for warming.
   */
  installChat(entry: ChatEntry, place: 'new' | 'cold' = 'new'): void {
    const before = this.#chats.get(entry.chatId);
    if (before !== undefined) this.#drop(before, 'replaced');
    this.#chats.set(entry.chatId, entry);
    this.#entryPolicy.add(entry, place);
    // The oldest first, so that the newest is the last to go.
    const blocks = [...entry.blocks.values()];
    for (const block of place === 'new' ? blocks : blocks.reverse()) {
      block.owner = entry;
      this.#shelf.add(block, place);
    }
    this.#noteMembers(entry);
    this.#evict();
  }

  /** Holds a block of an entry. One that is not held any more, or whose chat is gone, has no use for it. */
  installBlock(entry: ChatEntry, block: MessageBlock): void {
    if (!isHeld(entry) || !entry.isPresent) return;
    const before = entry.blocks.get(block.index);
    if (before !== undefined) this.#shelf.remove(before);
    entry.blocks.set(block.index, block);
    block.owner = entry;
    this.#shelf.add(block, 'new');
    this.#evict();
  }

  /** Holds a user's index. */
  installUser(user: UserEntry): void {
    const before = this.#users.get(user.userId);
    if (before !== undefined) this.#entryPolicy.remove(before);
    this.#users.set(user.userId, user);
    this.#entryPolicy.add(user, 'new');
    this.#evict();
  }

  /** Drops the block of a message that is about to be written, if it is packed and so cannot be. */
  dropPacked(entry: ChatEntry, seq: number): void {
    const block = entry.blocks.get(MessageBlock.indexOf(seq));
    if (block === undefined || !block.isPacked || !isHeld(block)) return;
    this.#shelf.remove(block);
    entry.blocks.delete(block.index);
    this.#removals.replaced++;
  }

  /** Charges a held entry, and the blocks of some of its messages, again after a change. */
  recharge(entry: ChatEntry, seqs: readonly number[] = []): void {
    this.#entryPolicy.recharge(entry);
    if (!entry.isPresent) {
      this.#releaseBlocks(entry);
      entry.blocks.clear();
    }
    for (const seq of seqs) {
      const block = entry.blocks.get(MessageBlock.indexOf(seq));
      if (block === undefined) continue;
      if (isHeld(block)) {
        this.#shelf.recharge(block);
      } else {
        // A write is not a use: a block that it began goes beside the one that it continues.
        block.owner = entry;
        this.#shelf.addBeside(block, entry.blocks.get(block.index - 1));
      }
    }
    this.#evict();
  }

  /** Notes that a user is in a chat, if the user's index is held. */
  addUserChat(userId: string, chatId: string): void {
    this.#noteUserChat(userId, chatId);
    this.#evict();
  }

  /** Notes who of the users that are known is in a chat. O(users or members, whichever are fewer). */
  #noteMembers({ chatId, members }: ChatEntry): void {
    const [fewer, more] = this.#users.size < members.size ? [this.#users, members] : [members, this.#users];
    for (const userId of fewer.keys()) if (more.has(userId)) this.#noteUserChat(userId, chatId);
  }

  #noteUserChat(userId: string, chatId: string): void {
    const user = this.#users.get(userId);
    if (user === undefined || user.chatIds.has(chatId)) return;
    user.chatIds.add(chatId);
    this.#entryPolicy.recharge(user);
  }

  /** Notes that a user is not in a chat any more. */
  deleteUserChat(userId: string, chatId: string): void {
    const user = this.#users.get(userId);
    if (user?.chatIds.delete(chatId) === true) this.#entryPolicy.recharge(user);
  }

  /** Forgets a chat. */
  removeChat(entry: ChatEntry, cause: RemovalCause): void {
    this.#chats.delete(entry.chatId);
    this.#drop(entry, cause);
  }

  /** Forgets who is in which chats. */
  clearUsers(): void {
    for (const user of this.#users.values()) this.#entryPolicy.remove(user);
    this.#users.clear();
  }

  /** Forgets everything. */
  clear(): void {
    for (const entry of this.#chats.values()) this.removeChat(entry, 'invalidated');
    this.clearUsers();
    forgetUnpacked();
  }

  #drop(entry: ChatEntry, cause: RemovalCause): void {
    this.#removals[cause]++;
    this.#releaseBlocks(entry);
    this.#entryPolicy.remove(entry);
  }

  /** The entry keeps its blocks: who has just loaded it answers from it, even if it was too large to stay. */
  #releaseBlocks(entry: ChatEntry): void {
    for (const block of entry.blocks.values()) if (isHeld(block)) this.#shelf.remove(block);
  }

  #evict(): void {
    while (this.bytes > this.maxBytes) {
      const entryBytes = this.#entryPolicy.bytes;
      if (this.#shelf.size > 0 && entryBytes <= this.maxBytes * ENTRY_SHARE) {
        const gone = this.#shelf.shrink(this.maxBytes - entryBytes);
        if (gone === undefined) continue;
        gone.owner?.blocks.delete(gone.index);
        this.#removals.budget++;
      } else {
        this.#entryPolicy.capacityBytes = this.maxBytes - this.#shelf.bytes;
        if (!this.#evictEntry()) return;
      }
    }
  }

  #evictEntry(): boolean {
    const evicted = this.#entryPolicy.evict();
    if (evicted instanceof UserEntry) {
      this.#users.delete(evicted.userId);
    } else if (evicted instanceof ChatEntry) {
      this.#chats.delete(evicted.chatId);
      this.#releaseBlocks(evicted);
      this.#removals.budget++;
    }
    return evicted !== undefined;
  }
}

/** Whether something is in the ledger: what was just made is not yet. */
function isHeld(resident: Resident): boolean {
  return resident.chargedBytes > 0;
}
