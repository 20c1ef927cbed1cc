import { Injectable, Logger } from '@nestjs/common';
import { ChatRepository } from '../../../storage/chat-repository.js';
import { HeadRepository } from '../../../storage/head-repository.js';
import { MessageRepository } from '../../../storage/message-repository.js';
import { CacheState } from '../../cache-state.js';
import { CacheStats } from '../../cache-stats.js';
import type { ChatEntry } from '../../local/chat-entry.js';
import { BLOCK_SIZE } from '../../local/message-block.js';
import { Poller } from '../poller.js';
import { compareChat, hasSameMessages, type DivergenceKind } from './compare-chat.js';
import { ChatDropper } from '../../read/chat-dropper.js';

/** Chats that one query compares. */
const BATCH_CHATS = 100;

/** Users whose index one query compares. */
const BATCH_USERS = 500;

/**
 * Blocks behind the newest that one round compares of each chat: the next ones in the next round. What a round costs grows with the
 * chats that are held and not with their messages.
 */
const OTHER_BLOCKS = 3;

/** Unread counts that one round compares of each chat. */
const COUNTS = 2;

/** Looks at a chat that is written to all the time, before only its version is compared. */
const ATTEMPTS = 3;

/** What to compare. */
export interface VerifyOptions {
  /** Whether what is wrong is dropped, so that its next reader loads it. */
  readonly repair?: boolean | undefined;
  /** Absent: every chat that is held. */
  readonly chatIds?: readonly string[] | undefined;
  /** Share of the chats to compare, 0 to 1. */
  readonly sample?: number | undefined;
}

/** A chat that is held wrongly. */
export interface Divergence {
  readonly chatId: string;
  /** `null` when the chat is not held. */
  readonly cachedVersion: number | null;
  readonly databaseVersion: number;
  readonly kind: DivergenceKind;
}

/** What a comparison has found. */
export interface VerifyReport {
  /** Chats compared. */
  readonly checked: number;
  readonly divergent: readonly Divergence[];
  /** Chats dropped. */
  readonly repaired: number;
}

/**
 * Compares what is held with the database while both go on. Every reading knows its version and is compared with an entry of the same
 * one; what looks wrong is looked at again after a poll, so that a change on its way is not taken for a fault, and neither is one that is made
 * between the poll and the second look.
 */
@Injectable()
export class Verifier {
  readonly #logger = new Logger('Verify');
  #round = 0;

  constructor(
    private readonly chats: ChatRepository,
    private readonly messages: MessageRepository,
    private readonly heads: HeadRepository,
    private readonly state: CacheState,
    private readonly stats: CacheStats,
    private readonly poller: Poller,
    private readonly dropper: ChatDropper,
  ) {}

  /**
   * Compares. O(chats held); see {@link OTHER_BLOCKS}.
   *
   * @throws ScrollbackError `database_unavailable`; what was found until then is lost, and nothing is dropped.
   */
  async verify({ repair = false, chatIds, sample = 1 }: VerifyOptions = {}): Promise<VerifyReport> {
    this.#round++;
    const wanted = [...new Set(chatIds ?? this.state.store.chatIds)].filter(
      (chatId) => this.state.store.getChat(chatId) !== undefined && (sample >= 1 || Math.random() < sample),
    );
    const suspects = await this.#checkAll(wanted);
    const lacking = chatIds === undefined && sample >= 1 ? await this.#findLacking([...this.state.store.userIds]) : [];
    if (suspects.length === 0 && lacking.length === 0) return { checked: wanted.length, divergent: [], repaired: 0 };
    await this.poller.pollAgain();
    const again = await this.#checkAll(suspects.map(({ chatId }) => chatId));
    const looked = new Map(suspects.map((suspect) => [suspect.chatId, suspect]));
    // The poll has told of the version of the first look. One that has been made since may be on its way.
    const divergent = again.filter(({ chatId, cachedVersion, kind }) => {
      const first = looked.get(chatId)!;
      return kind !== 'behind' || first.kind !== 'behind' || cachedVersion! < first.databaseVersion;
    });
    const users = new Set(lacking.map(({ userId }) => userId));
    for (const lack of await this.#findLacking([...users])) divergent.push(lack.divergence);
    for (const found of divergent) this.#report(found);
    if (repair && divergent.some(({ kind }) => kind === 'index')) this.state.store.clearUsers();
    return { checked: wanted.length, divergent, repaired: repair ? this.#repair(divergent) : 0 };
  }

  async #checkAll(chatIds: readonly string[]): Promise<Divergence[]> {
    const found: Divergence[] = [];
    for (let from = 0; from < chatIds.length; from += BATCH_CHATS) {
      let batch = chatIds.slice(from, from + BATCH_CHATS);
      for (let attempt = 1; batch.length > 0 && attempt <= ATTEMPTS; attempt++) {
        const looked = await this.#check(batch);
        found.push(...looked.found);
        batch = looked.moved;
      }
    }
    return found;
  }

  /** @returns what is wrong, and which chats were written to meanwhile. */
  async #check(chatIds: readonly string[]): Promise<{ found: Divergence[]; moved: string[] }> {
    const before = new Map(chatIds.map((chatId) => [chatId, this.state.store.getChat(chatId)?.version ?? 0]));
    const loaded = new Map((await this.chats.loadChats(chatIds, 1, BLOCK_SIZE)).map((chat) => [chat.chatId, chat]));
    const found: Divergence[] = [];
    const moved: string[] = [];
    const same: ChatEntry[] = [];
    for (const chatId of chatIds) {
      const entry = this.state.store.getChat(chatId);
      // What is behind is read by nobody before it is repaired.
      if (entry === undefined || entry.isBehind) continue;
      const databaseVersion = loaded.get(chatId)?.head.version ?? 0;
      const note = (kind: DivergenceKind): void => {
        found.push({ chatId, cachedVersion: entry.version, databaseVersion, kind });
      };
      if (databaseVersion < before.get(chatId)!) note('ahead');
      else if (entry.version > databaseVersion) moved.push(chatId);
      else if (entry.version < databaseVersion) note('behind');
      else {
        const kind = compareChat(entry, loaded.get(chatId));
        if (kind === undefined) same.push(entry);
        else note(kind);
      }
    }
    for (const entry of same) if (!(await this.#hasSameHistory(entry))) found.push(divergenceOf(entry, 'messages'));
    for (const entry of await this.#findMiscounted(same)) found.push(divergenceOf(entry, 'unread'));
    return { found, moved };
  }

  /** Compares some blocks behind the newest. */
  async #hasSameHistory(entry: ChatEntry): Promise<boolean> {
    const newest = Math.max(...entry.blocks.keys());
    const others = [...entry.blocks.keys()].filter((index) => index !== newest).sort((one, other) => one - other);
    const first = others.length <= OTHER_BLOCKS ? 0 : (this.#round * OTHER_BLOCKS) % others.length;
    for (const index of [...others, ...others].slice(first, first + Math.min(others.length, OTHER_BLOCKS))) {
      const from = index * BLOCK_SIZE + 1;
      const loaded = await this.messages.loadMessages(entry.chatId, from, from + BLOCK_SIZE - 1);
      if (loaded?.version === entry.version && !hasSameMessages(entry, index, loaded)) return false;
    }
    return true;
  }

  /** Compares some of the unread counts that are held. */
  async #findMiscounted(entries: readonly ChatEntry[]): Promise<ChatEntry[]> {
    const keys = entries.flatMap(({ chatId, members }) => {
      const counted = [...members.values()].filter(({ unreadBase }) => unreadBase !== undefined);
      const first = counted.length <= COUNTS ? 0 : (this.#round * COUNTS) % counted.length;
      return counted.slice(first, first + COUNTS).map(({ userId }) => ({ chatId, userId }));
    });
    if (keys.length === 0) return [];
    const wrong = new Set<ChatEntry>();
    for (const { chatId, userId, version, unread } of await this.chats.countUnreadOf(keys)) {
      const entry = this.state.store.getChat(chatId);
      const member = entry?.members.get(userId);
      if (entry === undefined || member === undefined || entry.version !== version) continue;
      const held = entry.unreadOf(member);
      if (held !== undefined && held !== unread) wrong.add(entry);
    }
    return [...wrong];
  }

  /** Finds chats that users are in and that their index, which is held, does not name. */
  async #findLacking(userIds: readonly string[]): Promise<{ userId: string; divergence: Divergence }[]> {
    const lacking: { userId: string; divergence: Divergence }[] = [];
    for (let from = 0; from < userIds.length; from += BATCH_USERS) {
      for (const { chatId, userId, version } of await this.heads.findChatsOf(userIds.slice(from, from + BATCH_USERS))) {
        const user = this.state.store.getUser(userId);
        if (user === undefined || user.chatIds.has(chatId)) continue;
        const cachedVersion = this.state.store.getChat(chatId)?.version ?? null;
        lacking.push({ userId, divergence: { chatId, cachedVersion, databaseVersion: version, kind: 'index' } });
      }
    }
    return lacking;
  }

  #report({ chatId, cachedVersion, databaseVersion, kind }: Divergence): void {
    this.stats.countDivergence();
    this.#logger.error(
      `The cache and the database differ: chat ${chatId} (${kind}), cached ${cachedVersion}, database ${databaseVersion}.`,
    );
  }

  #repair(divergent: readonly Divergence[]): number {
    let repaired = 0;
    for (const { chatId } of divergent) {
      this.dropper.drop(chatId);
      repaired++;
    }
    return repaired;
  }
}

function divergenceOf({ chatId, version }: ChatEntry, kind: DivergenceKind): Divergence {
  return { chatId, cachedVersion: version, databaseVersion: version, kind };
}
