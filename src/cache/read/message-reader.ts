import { Inject, Injectable } from '@nestjs/common';
import { ScrollbackError } from '../../common/scrollback-error.js';
import { MessageRepository, type LoadedMessages } from '../../storage/message-repository.js';
import { CacheState, type ReadState } from '../cache-state.js';
import { CacheStats, type CacheResult } from '../cache-stats.js';
import type { ChatEntry } from '../local/chat-entry.js';
import { BLOCK_SIZE, MessageBlock } from '../local/message-block.js';
import { ChatReader, type EntryWish } from './chat-reader.js';
import { changesBetween, type Fill } from './fill-board.js';
import type { SeqRange } from './page-range.js';

/** Messages of one chat at one version, as slices of cached bytes. */
export interface MessageRun {
  readonly chatId: string;
  readonly version: number;
  readonly lastSeq: number;
  /** Lowest seq that has a message. */
  readonly firstSeq: number;
  readonly range: SeqRange;
  readonly source: CacheResult;
  /** Comma-separated JSON; to be joined by commas. Empty where there is no message. */
  readonly slices: readonly Buffer[];
}

/** What a read found, and where; no run where the reader may not see the chat. */
export interface MessageRead {
  readonly run: MessageRun | undefined;
  readonly source: CacheResult;
}

/** Times a page is put together anew because its chat was replaced under it, before it is loaded past the cache. */
const PAGE_ATTEMPTS = 4;

/**
 * Reads runs of messages through the cache, as slices of blocks. A block that is not held is loaded whole, once for all
 * who wait for it, and brought to the version of its entry before it is put there.
 */
@Injectable()
export class MessageReader {
  readonly #pending = new Map<string, Promise<void>>();

  constructor(
    private readonly messages: MessageRepository,
    private readonly chats: ChatReader,
    @Inject(CacheState) private readonly state: ReadState,
    private readonly stats: CacheStats,
  ) {}

  /** The messages of a range if all their blocks are held; a hit counts as use. No I/O, O(blocks). */
  peek(entry: ChatEntry, range: SeqRange, source: CacheResult): MessageRun | undefined {
    const slices = sliceBlocks(entry, range);
    if (slices === undefined) return undefined;
    if (source === 'hit') {
      this.state.store.touch(entry, MessageBlock.indexOf(range.fromSeq), MessageBlock.indexOf(range.toSeq));
    }
    return {
      chatId: entry.chatId,
      version: entry.version,
      lastSeq: entry.lastSeq,
      firstSeq: entry.firstSeq,
      range,
      source,
      slices,
    };
  }

  /**
   * Reads the messages of a range that depends on the chat.
   *
   * @param wish - for whom, and how fresh the page has to be.
   * @param rangeOf - finds the range, or `undefined` when the reader may not see the chat.
   */
  async read(
    chatId: string,
    wish: EntryWish,
    rangeOf: (entry: ChatEntry) => SeqRange | undefined,
  ): Promise<MessageRead> {
    if (!this.state.isHolding) return this.#readPast(chatId, wish, rangeOf, 'bypass');
    let isMiss = false;
    for (let attempt = 0; attempt < PAGE_ATTEMPTS; attempt++) {
      const chat = await this.chats.read(chatId, wish);
      isMiss ||= chat.source === 'miss';
      const range = rangeOf(chat.entry);
      const source = isMiss ? 'miss' : chat.source;
      if (range === undefined) return { run: undefined, source };
      const run = this.peek(chat.entry, range, source);
      if (run !== undefined) return { run, source };
      if (chat.source !== 'miss') this.state.store.touch(chat.entry);
      isMiss = true;
      await this.#fillBlocks(chat.entry, range);
    }
    return this.#readPast(chatId, wish, rangeOf, 'miss');
  }

  /**
   * Reads a range past the cache: for what is larger than the budget, and when the cache is off. The range comes from the
   * chat and its messages from a second query; when the chat has moved in between both are read again.
   */
  async #readPast(
    chatId: string,
    wish: EntryWish,
    rangeOf: (entry: ChatEntry) => SeqRange | undefined,
    source: CacheResult,
  ): Promise<MessageRead> {
    for (let attempt = 1; ; attempt++) {
      const { entry } = await this.chats.read(chatId, wish);
      const range = rangeOf(entry);
      if (range === undefined) return { run: undefined, source };
      const { version, lastSeq, firstSeq } = entry;
      const held = sliceBlocks(entry, range);
      if (held !== undefined)
        return { source, run: { chatId, version, lastSeq, firstSeq, range, source, slices: held } };
      const loaded = await this.#load(chatId, range.fromSeq, range.toSeq);
      // A chat that never rests gives its last reading: right for its version, and saying that there is more.
      if (loaded.version === version || attempt === PAGE_ATTEMPTS) {
        const blocks = new Map(cut(loaded, range.fromSeq, range.toSeq).map((block) => [block.index, block]));
        const slices = sliceBlocks({ blocks }, range) ?? [];
        // Whoever was shown this is not shown the chat as it was before.
        this.state.noteVersion(chatId, loaded.version, 'read');
        return {
          source,
          run: { chatId, version: loaded.version, lastSeq: loaded.lastSeq, firstSeq, range, source, slices },
        };
      }
      await this.chats.refresh(chatId, loaded.version);
    }
  }

  async #fillBlocks(entry: ChatEntry, range: SeqRange): Promise<void> {
    const waits: Promise<void>[] = [];
    let from: number | undefined;
    const last = MessageBlock.indexOf(range.toSeq);
    for (let index = MessageBlock.indexOf(range.fromSeq); index <= last + 1; index++) {
      const pending = this.#pending.get(`${entry.chatId} ${index}`);
      const isMissing = index <= last && pending === undefined && !entry.blocks.has(index);
      if (isMissing) {
        from ??= index;
        continue;
      }
      if (index <= last && pending !== undefined) waits.push(pending);
      if (from !== undefined) waits.push(this.#fillRun(entry.chatId, from, index - 1));
      from = undefined;
    }
    await Promise.all(waits);
  }

  /** Loads neighbouring blocks with one query. */
  #fillRun(chatId: string, fromIndex: number, toIndex: number): Promise<void> {
    const fill = this.state.board.open(chatId);
    const keys = Array.from({ length: toIndex - fromIndex + 1 }, (_unused, at) => `${chatId} ${fromIndex + at}`);
    const pending = this.#loadRun(chatId, fromIndex, toIndex, fill).finally(() => {
      this.state.board.close(chatId, fill);
      for (const key of keys) this.#pending.delete(key);
    });
    for (const key of keys) this.#pending.set(key, pending);
    return pending;
  }

  async #loadRun(chatId: string, fromIndex: number, toIndex: number, fill: Fill): Promise<void> {
    const loaded = await this.#load(chatId, fromIndex * BLOCK_SIZE + 1, (toIndex + 1) * BLOCK_SIZE);
    const entry = this.state.store.getChat(chatId);
    if (entry === undefined || fill.isVoid) return;
    if (loaded.version > entry.version) {
      // The database is ahead of the entry: a commit of ours is about to be announced, or somebody else has written.
      await this.chats.refresh(chatId, loaded.version);
      return;
    }
    const missed = changesBetween(fill.journal, loaded.version, entry.version);
    if (missed === undefined) return;
    for (const block of cut(loaded, fromIndex * BLOCK_SIZE + 1, (toIndex + 1) * BLOCK_SIZE)) {
      for (const change of missed) {
        if (change.type !== 'message' || MessageBlock.indexOf(change.message.seq) !== block.index) continue;
        if (change.message.seq === block.endSeq + 1) block.append(change.message);
        else block.replace(change.message);
      }
      if (block.endSeq >= block.firstSeq) this.state.store.installBlock(entry, block);
    }
  }

  async #load(chatId: string, fromSeq: number, toSeq: number): Promise<LoadedMessages> {
    const loaded = await this.stats.measureLoad(() => this.messages.loadMessages(chatId, fromSeq, toSeq));
    if (loaded === undefined) throw new ScrollbackError('chat_not_found', `There is no chat ${chatId}.`);
    return loaded;
  }
}

/** Cuts loaded messages into blocks. What was loaded starts at the first seq of a block, or inside one: then the block begins with holes. */
function cut(loaded: LoadedMessages, fromSeq: number, toSeq: number): MessageBlock[] {
  const blocks: MessageBlock[] = [];
  let next = 0;
  const end = Math.min(loaded.lastSeq, toSeq);
  for (let index = MessageBlock.indexOf(fromSeq); index <= MessageBlock.indexOf(end); index++) {
    const from = next;
    while (next < loaded.messages.length && MessageBlock.indexOf(loaded.messages[next]!.seq) === index) next++;
    blocks.push(MessageBlock.of(index, loaded.messages.slice(from, next), end));
  }
  return blocks;
}

/** The slices of a range, `undefined` when one of its blocks is not there. */
function sliceBlocks(
  entry: { readonly blocks: ReadonlyMap<number, MessageBlock> },
  { fromSeq, toSeq }: SeqRange,
): Buffer[] | undefined {
  if (toSeq < fromSeq) return [];
  const slices: Buffer[] = [];
  const last = MessageBlock.indexOf(toSeq);
  for (let index = MessageBlock.indexOf(fromSeq); index <= last; index++) {
    const block = entry.blocks.get(index);
    const end = Math.min(toSeq, (index + 1) * BLOCK_SIZE);
    if (block === undefined || block.endSeq < end) return undefined;
    const slice = block.slice(Math.max(fromSeq, block.firstSeq), end);
    if (slice.length > 0) slices.push(slice);
  }
  return slices;
}
