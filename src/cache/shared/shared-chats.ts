import type { OnApplicationShutdown } from '@nestjs/common';
import { parseRedisUrls } from '../../redis/redis-address.js';
import { RedisValues, type VersionedValue } from '../../redis/redis-values.js';
import type { ChatRepository, LoadedChat } from '../../storage/chat-repository.js';
import type { HeadRepository } from '../../storage/head-repository.js';
import type { CacheOptions } from '../cache-options.js';

/** What is not asked for again goes after this long. */
const TTL_MS = 3_600_000;

/** Chats with more are not shared: few have so much, and they would push out many others. */
const MAX_VALUE_BYTES = 256 * 1024;

/** Values on their way at once; more are not written. */
const MAX_WRITES = 256;

/** Chats that are not trusted at once; past it the oldest is trusted again. */
const MAX_DISTRUSTED = 10_000;

/** What stands where a value was taken out. */
const ERASED = '';

/** A chat as it is shared, with how many of its newest messages it has at least. */
interface SharedChat {
  readonly tail: number;
  readonly chat: LoadedChat;
}

/** How the shared tier has done. */
export interface SharedStats {
  readonly hits: number;
  readonly misses: number;
}

/**
 * Chats that instances share in Redis: what one has loaded, others need not ask the database for but for its version. A chat's state at a
 * version never changes while the server runs, so what is found of this run at the version that the database has now **is** what the database
 * would tell; anything else is left aside. So nothing that Redis loses, keeps too long or mixes up can make an answer wrong. That holds as
 * long as whoever changes rows changes versions; where somebody has gone round that, {@link distrust} is the way back.
 *
 * The run is told by the statement that tells the versions. What is shared was read after that statement, so it is of this run or of a
 * later one, and in a later one nobody takes it: whoever shares it late, and whoever has not noticed a crash yet, does no harm.
 */
export class SharedChats implements Pick<ChatRepository, 'loadChats'>, OnApplicationShutdown {
  #hits = 0;
  #misses = 0;
  #writing = 0;
  /** Chats whose shared value may be wrong, until it has been replaced. */
  readonly #distrusted = new Set<string>();

  constructor(
    private readonly chats: Pick<ChatRepository, 'loadChats'>,
    private readonly heads: Pick<HeadRepository, 'findVersions'>,
    private readonly values: RedisValues,
  ) {}

  /** Chats found here, and chats asked for in vain. */
  get stats(): SharedStats {
    return { hits: this.#hits, misses: this.#misses };
  }

  /** Has the next load of a chat ask the database, whatever is shared, and share what that tells. */
  distrust(chatId: string): void {
    if (this.#distrusted.size >= MAX_DISTRUSTED) this.#distrusted.delete(this.#distrusted.keys().next().value!);
    this.#distrusted.add(chatId);
  }

  /**
   * Takes what is shared of a chat from before a version out of Redis, without anybody waiting for it. In its place comes a mark, so that
   * who has loaded an older version and is slow to share it cannot bring it back.
   */
  erase(chatId: string, run: string, version: number): void {
    const mark = { epoch: run, version: version - 1, value: ERASED };
    void this.values.write(keyOf(chatId), mark, { ttlMs: TTL_MS, replaces: true });
  }

  /** Whether Redis answers. Never rejects. */
  isAnswering(): Promise<boolean> {
    return this.values.isAnswering();
  }

  onApplicationShutdown(): void {
    this.values.close();
  }

  /** Loads chats as the repository does, each at its present version. */
  async loadChats(chatIds: readonly string[], tail: number, blockSize: number): Promise<LoadedChat[]> {
    const [{ run, versions }, found] = await Promise.all([
      this.heads.findVersions(chatIds),
      this.values.read(chatIds.map(keyOf)),
    ]);
    const loaded: LoadedChat[] = [];
    const missing: string[] = [];
    for (const [at, chatId] of chatIds.entries()) {
      const version = versions.get(chatId);
      // Who has no head is not there: that is told by the versions.
      if (version === undefined) continue;
      const shared = readShared(found[at], run, version);
      if (shared === 'broken') this.distrust(chatId);
      const isOfUse = typeof shared === 'object' && shared.tail >= tail && !this.#distrusted.has(chatId);
      if (isOfUse) loaded.push({ ...shared.chat, isShared: true });
      else missing.push(chatId);
    }
    this.#hits += loaded.length;
    this.#misses += missing.length;
    if (missing.length === 0) return loaded;
    const fresh = await this.chats.loadChats(missing, tail, blockSize);
    if (tail > 0) for (const chat of fresh) this.#share(run, { tail, chat });
    return [...loaded, ...fresh];
  }

  /** Shares a chat, if there is room, without anybody waiting for it. */
  #share(run: string, shared: SharedChat): void {
    if (this.#writing >= MAX_WRITES) return;
    const value = JSON.stringify(shared);
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES) return;
    const { chatId, head } = shared.chat;
    const replaces = this.#distrusted.has(chatId);
    this.#writing++;
    const write = this.values.write(
      keyOf(chatId),
      { epoch: run, version: head.version, value },
      { ttlMs: TTL_MS, replaces },
    );
    void write.then((isDone) => {
      this.#writing--;
      if (isDone && replaces) this.#distrusted.delete(chatId);
    });
  }
}

/**
 * Makes the shared tier if the options want one, and begins to connect.
 *
 * @throws TypeError when no URL, or none that can be used, says where Redis is.
 */
export function makeSharedChats(
  { sharedCache = 'off', redisUrl = '' }: Pick<CacheOptions, 'sharedCache' | 'redisUrl'>,
  chats: ChatRepository,
  heads: HeadRepository,
): SharedChats | undefined {
  if (sharedCache === 'off') return undefined;
  const urls = parseRedisUrls(redisUrl);
  if (urls === undefined) throw new TypeError('The shared cache needs the URL of Redis.');
  return new SharedChats(chats, heads, new RedisValues(urls));
}

/** All that is kept of a chat is on one node of a cluster. */
function keyOf(chatId: string): string {
  return `scrollback:{${chatId}}:chat`;
}

/** @returns `undefined` when it is not of this run and version; `broken` when it says that it is, and cannot be. */
function readShared(
  found: VersionedValue | undefined,
  run: string,
  version: number,
): SharedChat | 'broken' | undefined {
  if (found?.epoch !== run || found.version !== version || found.value === ERASED) return undefined;
  try {
    const shared = JSON.parse(found.value) as SharedChat;
    return shared.chat.head.version === version ? shared : 'broken';
  } catch {
    return 'broken';
  }
}
