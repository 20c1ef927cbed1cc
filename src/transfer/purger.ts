import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../storage/database.js';
import { PurgeRepository, type OlderMessages } from '../storage/purge-repository.js';

/** How a purge goes about it. */
export interface PurgeSettings {
  /** Messages deleted in one transaction. Too many and senders to these chats wait for it; too few and it is all round trips. */
  readonly batchMessages: number;
  /** Chats locked by one transaction. Too many and most senders wait for somebody else's messages. */
  readonly batchChats: number;
  /** Chats that are looked through by one query: many large ones take longer than a statement may. */
  readonly scanChats: number;
  /** Times that chats held by somebody else are tried again, and the pause before each: for ever would be no end. */
  readonly heldRounds: number;
  readonly heldPauseMs: number;
}

const DEFAULTS: PurgeSettings = {
  batchMessages: 2000,
  batchChats: 100,
  scanChats: 100,
  heldRounds: 30,
  heldPauseMs: 1000,
};

/** What is to be deleted. */
export interface PurgeScope {
  /** Messages that were created longer ago than this, by the database's clock at the start. */
  readonly olderThanMs: number;
  /** Only in these chats; absent: in all. */
  readonly chatIds?: readonly string[] | undefined;
}

/** Hears how a purge goes. */
export interface PurgeListener {
  /**
   * @param share - of the chats that have been done, 0 to 1.
   * @param messages - deleted so far.
   */
  onProgress?(share: number, messages: number): void;
  /** Told of every chat in which there is something to delete, before it is. */
  onFound?(found: OlderMessages): void;
}

/** What a purge, or a look at what it would do, came to. */
export interface PurgeReport {
  readonly messages: number;
  readonly chats: number;
  /** Chats that somebody held locked all the time: what is old there may still be there. */
  readonly held: readonly OlderMessages[];
}

/** The lowest id. */
const NIL = '00000000-0000-0000-0000-000000000000';

/**
 * Deletes old messages for good, chat by chat in small transactions: those of many small chats together, those of a large one in
 * several. Ended at any point it leaves whole chats behind, and the next run goes on.
 *
 * A chat that somebody holds locked is left for the end, so that it holds up nobody else, and given up after a while.
 */
export class Purger {
  readonly #repository: PurgeRepository;
  readonly #settings: PurgeSettings;
  #messages = 0;

  constructor(
    database: Database,
    private readonly listener: PurgeListener = {},
    settings: Partial<PurgeSettings> = {},
  ) {
    this.#repository = new PurgeRepository(database);
    this.#settings = { ...DEFAULTS, ...settings };
  }

  /**
   * Counts what {@link run} would delete now, and deletes nothing.
   *
   * @throws Error naming the chats of the scope that never existed.
   */
  async count(scope: PurgeScope): Promise<PurgeReport> {
    return this.#walk(scope, async () => []);
  }

  /**
   * Deletes. Messages that are sent meanwhile are younger and stay.
   *
   * @throws Error naming the chats of the scope that never existed; nothing is then deleted.
   */
  async run(scope: PurgeScope): Promise<PurgeReport> {
    this.#messages = 0;
    let beforeMs = 0;
    const report = await this.#walk(scope, (older, limitMs) => {
      beforeMs = limitMs;
      return this.#purgeAll(older, limitMs);
    });
    let { held } = report;
    for (let round = 0; held.length > 0 && round < this.#settings.heldRounds; round++) {
      await delay(this.#settings.heldPauseMs);
      held = await this.#purgeAll(held, beforeMs);
    }
    if (this.#messages > 0) await this.#repository.finish();
    return { ...report, messages: this.#messages, held };
  }

  /** Goes through the chats in the order of their ids, and has something done to those that have old messages. */
  async #walk(
    { olderThanMs, chatIds }: PurgeScope,
    work: (older: readonly OlderMessages[], beforeMs: number) => Promise<readonly OlderMessages[]>,
  ): Promise<PurgeReport> {
    await this.#requireChats(chatIds);
    const { nowMs, chats } = await this.#repository.begin();
    const beforeMs = nowMs - olderThanMs;
    const total = Math.max(1, chatIds?.length ?? chats);
    const held: OlderMessages[] = [];
    let [done, messages, found] = [0, 0, 0];
    for await (const part of this.#parts(chatIds)) {
      const older = await this.#repository.countOlder(part, beforeMs);
      for (const each of older) {
        messages += each.messages;
        found++;
        this.listener.onFound?.(each);
      }
      held.push(...(await work(older, beforeMs)));
      done += part.length;
      this.listener.onProgress?.(Math.min(1, done / total), this.#messages);
    }
    return { messages, chats: found, held };
  }

  /** A mistyped id must not look like a chat without old messages. */
  async #requireChats(chatIds: readonly string[] = []): Promise<void> {
    if (chatIds.length === 0) return;
    const found = await this.#repository.findChats(chatIds);
    const unknown = chatIds.filter((chatId) => !found.has(chatId.toLowerCase()));
    if (unknown.length > 0) throw new Error(`There is no chat ${unknown.join(', ')}. Nothing was deleted.`);
  }

  /** The chats to look through, in parts. */
  async *#parts(chatIds: readonly string[] | undefined): AsyncGenerator<readonly string[]> {
    const { scanChats } = this.#settings;
    if (chatIds !== undefined) {
      const sorted = [...new Set(chatIds.map((chatId) => chatId.toLowerCase()))].sort();
      for (let from = 0; from < sorted.length; from += scanChats) yield sorted.slice(from, from + scanChats);
      return;
    }
    yield [NIL];
    for (let after = NIL; ;) {
      const part = await this.#repository.listChats(after, scanChats);
      if (part.length === 0) return;
      yield part;
      after = part.at(-1)!;
    }
  }

  /** Deletes in as many transactions as it takes. @returns the chats that somebody held. */
  async #purgeAll(older: readonly OlderMessages[], beforeMs: number): Promise<OlderMessages[]> {
    const { batchChats, batchMessages } = this.#settings;
    const held: OlderMessages[] = [];
    for (let from = 0; from < older.length; from += batchChats) {
      let batch: readonly OlderMessages[] = older.slice(from, from + batchChats);
      while (batch.length > 0) {
        const purged = await this.#repository.purge(batch, beforeMs, batchMessages);
        this.#messages += purged.messages;
        held.push(...purged.held);
        const isHeld = new Set(purged.held);
        batch = purged.messages < batchMessages ? [] : batch.filter((chat) => !isHeld.has(chat));
      }
    }
    return held;
  }
}
