import { beforeEach, describe, expect, it } from '@jest/globals';
import { CacheState } from '../../src/cache/cache-state.js';
import { Lease } from '../../src/cache/coherence/lease.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { Revalidator } from '../../src/cache/coherence/revalidator.js';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import { UserEntry } from '../../src/cache/local/user-entry.js';
import { ChangeApplier } from '../../src/cache/write/change-applier.js';
import type { HeadPoll, HeadRepository } from '../../src/storage/head-repository.js';
import { ChangeFeed } from '../../src/storage/write/change-feed.js';
import { sampleChatId, sampleLoadedChat } from './sample-records.js';

const CHAT = sampleChatId(1);

/** Longer than it takes until a transaction is on the disk for certain. */
const LONG_MS = 61_000;

/** Heads of a server that breaks off: ids of transactions and versions that were not on its disk are given out again. */
class BreakingServer {
  #run = 1;
  #nextXid = 1000n;
  readonly #heads = new Map<string, { readonly version: number; readonly xid: bigint }>();
  /** What happens next between two statements: before the versions are compared, and when heads are settled. */
  beforeVersions: () => void = () => undefined;
  onSettle: () => void = () => undefined;

  /** A chat comes to a version; the version has then been there for long, or is of the next transaction. */
  move(chatId: string, version: number, age: 'old' | 'new'): void {
    this.#heads.set(chatId, { version, xid: age === 'old' ? 500n : this.#nextXid++ });
  }

  /** Transactions come and go that change no chat. */
  spend(ids: bigint): void {
    this.#nextXid += ids;
  }

  /** All ids from the first on are given out again. What was committed with them the caller takes back. */
  break(): void {
    this.#run++;
    this.#nextXid = 1000n;
  }

  async poll(horizon: string | undefined): Promise<HeadPoll> {
    const from = horizon === undefined ? undefined : BigInt(horizon);
    const changed = [...this.#heads].filter(([, { xid }]) => from !== undefined && xid >= from);
    return Promise.resolve({
      epoch: 'one',
      run: `one ${this.#run}`,
      horizon: String(this.#nextXid),
      changed: changed.map(([chatId, { version }]) => ({ chatId, version })),
      next: undefined,
    });
  }

  async findVersions(chatIds: readonly string[]): ReturnType<HeadRepository['findVersions']> {
    await Promise.resolve(this.beforeVersions());
    const known = chatIds.filter((chatId) => this.#heads.has(chatId));
    const versions = new Map(known.map((chatId) => [chatId, this.#heads.get(chatId)!.version]));
    return { epoch: 'one', run: `one ${this.#run}`, versions };
  }

  async settle(): Promise<void> {
    await Promise.resolve(this.onSettle());
  }

  findMemberships(
    chatIds: readonly string[],
    userIds: readonly string[],
  ): ReturnType<HeadRepository['findMemberships']> {
    return Promise.resolve(chatIds.flatMap((chatId) => userIds.map((userId) => ({ chatId, userId }))));
  }
}

let server: BreakingServer;
let state: CacheState;
let poller: Poller;
let doubts: Revalidator;
let skippedMs: number;

beforeEach(() => {
  server = new BreakingServer();
  skippedMs = 0;
  state = new CacheState({
    mode: 'on',
    maxBytes: 10_000_000,
    tailMessages: 10,
    warmDeadlineMs: 0,
    pollMs: 1_000_000,
    stalenessBoundMs: 1000,
  });
  const now = () => ({ monotonicMs: performance.now() + skippedMs, wallMs: Date.now() + skippedMs });
  Object.assign(state, { lease: new Lease(1000, now) });
  const heads = server as unknown as HeadRepository;
  poller = new Poller(heads, new ChangeApplier(state, new ChangeFeed()), state, { name: 'none', isHealthy: false });
  doubts = new Revalidator(heads, state);
});

/** Looks for so long that there is a horizon which the disk had for certain. */
async function runForLong(): Promise<void> {
  for (const ms of [0, 2000, LONG_MS]) {
    skippedMs += ms;
    await poller.pollOnce();
  }
}

async function lookAgain(): Promise<void> {
  for (let look = 0; look < 3; look++) await poller.pollOnce();
}

function hold(version: number): void {
  const loaded = sampleLoadedChat(CHAT, {});
  state.store.installChat(new ChatEntry(CHAT, { ...loaded, head: { ...loaded.head, version } }), 'new');
}

/** The chat has been at version 4 for long, comes to 5 and is held so; that is lost. */
async function loseTheFifth(): Promise<void> {
  server.move(CHAT, 4, 'old');
  await runForLong();
  server.move(CHAT, 5, 'new');
  await poller.pollOnce();
  hold(5);
  server.break();
  server.move(CHAT, 4, 'old');
}

describe('when the server has broken off', () => {
  it('a lost version is not kept that is given out again while what is held is compared', async () => {
    await loseTheFifth();
    let times = 0;
    server.beforeVersions = () => {
      if (times++ === 0) server.move(CHAT, 5, 'new');
    };
    await lookAgain();
    expect(times).toBeGreaterThan(0);
    expect(state.store.getChat(CHAT)).toBeUndefined();
  });

  it('a lost version is not kept that is given out again behind the comparison', async () => {
    await loseTheFifth();
    const poll = server.poll.bind(server);
    let looks = 0;
    server.poll = async (horizon) => {
      // The first tells of the break, the second goes back.
      if (looks++ === 1) server.move(CHAT, 5, 'new');
      return poll(horizon);
    };
    await lookAgain();
    expect(state.store.getChat(CHAT)).toBeUndefined();
  });

  it('an index is not kept that was read after a leave which is lost', async () => {
    server.move(CHAT, 4, 'old');
    await runForLong();
    server.move(CHAT, 5, 'new');
    await poller.pollOnce();
    state.store.installUser(new UserEntry('ann', []));
    server.break();
    server.move(CHAT, 4, 'old');
    await lookAgain();
    expect(state.store.getUser('ann')).toBeUndefined();
  });

  it('a young instance goes by no horizon of before, though its first look does not come to its end', async () => {
    server.move(CHAT, 4, 'old');
    await poller.pollOnce();
    server.spend(2000n);
    await poller.pollOnce();
    server.break();
    server.onSettle = () => {
      throw new Error('the connection is cut');
    };
    await expect(poller.pollOnce()).rejects.toThrow('cut');
    server.onSettle = () => undefined;
    hold(4);
    server.move(CHAT, 5, 'new');
    await lookAgain();
    const held = state.store.getChat(CHAT);
    expect(held === undefined || held.isBehind).toBe(true);
  });

  it('who asks in doubt before the next look is not told a lost version whose number is given out again', async () => {
    await loseTheFifth();
    server.move(CHAT, 5, 'new');
    skippedMs += 10_000;
    expect(state.lease.isInDoubt).toBe(true);
    await doubts.settle(CHAT, {});
    expect(state.store.getChat(CHAT)).toBeUndefined();
  });

  it('who asks in doubt before the next look has what is behind dropped, not repaired over the break', async () => {
    await loseTheFifth();
    state.noteSkipped(CHAT, 6, 6);
    server.move(CHAT, 7, 'new');
    skippedMs += 10_000;
    await doubts.settle(CHAT, {});
    expect(state.store.getChat(CHAT)).toBeUndefined();
  });

  it('what was heard of and skipped is not taken for known when it is lost', async () => {
    server.move(CHAT, 4, 'old');
    await runForLong();
    hold(4);
    server.move(CHAT, 5, 'new');
    state.noteSkipped(CHAT, 5, 5);
    await poller.pollOnce();
    server.break();
    server.move(CHAT, 4, 'old');
    await lookAgain();
    expect(state.store.getChat(CHAT)).toBeUndefined();
  });
});
