import type { CacheMode, StaleReads } from '../../src/cache/cache-options.js';
import { CacheState } from '../../src/cache/cache-state.js';
import { CacheStats } from '../../src/cache/cache-stats.js';
import type { CoherenceBus } from '../../src/cache/coherence/bus/coherence-bus.js';
import { NoBus } from '../../src/cache/coherence/bus/no-bus.js';
import { CoherenceStats } from '../../src/cache/coherence/coherence-stats.js';
import { Lease, systemClock, type Clock } from '../../src/cache/coherence/lease.js';
import { Peers } from '../../src/cache/coherence/peers.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { Revalidator } from '../../src/cache/coherence/revalidator.js';
import { MessageCache } from '../../src/cache/message-cache.js';
import { AnswerReader } from '../../src/cache/read/answer-reader.js';
import { ChatReader } from '../../src/cache/read/chat-reader.js';
import { ChatRepairer } from '../../src/cache/read/chat-repairer.js';
import { InboxReader } from '../../src/cache/read/inbox-reader.js';
import { MembershipReader } from '../../src/cache/read/membership-reader.js';
import { MessageReader } from '../../src/cache/read/message-reader.js';
import { UnreadReader } from '../../src/cache/read/unread-reader.js';
import { ChangeApplier } from '../../src/cache/write/change-applier.js';
import type { ChatRepository } from '../../src/storage/chat-repository.js';
import type { HeadRepository } from '../../src/storage/head-repository.js';
import type { MessageRepository } from '../../src/storage/message-repository.js';
import { MessageRow } from '../../src/storage/message-row.js';
import type { TailRepository } from '../../src/storage/tail-repository.js';
import { asCommitted, type Change } from '../../src/storage/write/change.js';
import { ChangeFeed } from '../../src/storage/write/change-feed.js';
import type { FakeDatabase } from './fake-database.js';

/** Newest messages that fills load here: fewer than a block, so that history has to be loaded by itself. */
export const TAIL_MESSAGES = 10;

/** What stands between the cache and the database: asked before a statement reads, and again before its answer comes. */
export type Passage = (step: string) => Promise<void>;

/** What the cache asks of the database. */
export type StatementsInMemory = Pick<
  FakeDatabase,
  | 'loadChats'
  | 'loadTails'
  | 'loadUserChats'
  | 'countUnread'
  | 'loadInbox'
  | 'loadMessages'
  | 'loadChanges'
  | 'pollHeads'
  | 'findVersions'
  | 'findMemberships'
  | 'findMembers'
>;

/** How long what is held counts as fresh where a test has no clock of its own: for the whole of it. */
const NO_BOUND_MS = 1_000_000;

/** What a test may have otherwise. */
export interface CacheUnderTestOptions {
  readonly maxBytes?: number;
  readonly mode?: CacheMode;
  readonly tailMessages?: number;
  readonly staleReads?: StaleReads;
  /** Absent: none, nobody else is heard. */
  readonly bus?: CoherenceBus;
  /** Tells the lease the time; absent: the machine's. */
  readonly clock?: Clock;
  readonly stalenessBoundMs?: number;
  readonly maxUnseenChanges?: number;
}

/** The cache with its real parts, over a database in memory whose answers come when the test lets them. */
export class CacheUnderTest {
  readonly state: CacheState;
  readonly stats = new CacheStats();
  readonly coherence = new CoherenceStats();
  readonly doubts: Revalidator;
  readonly applier: ChangeApplier;
  readonly chats: ChatReader;
  readonly messages: MessageReader;
  readonly poller: Poller;
  readonly peers: Peers;
  readonly cache: MessageCache;
  readonly #feed = new ChangeFeed();

  constructor(
    database: StatementsInMemory,
    passage: Passage,
    {
      maxBytes = 10_000_000,
      mode = 'on',
      tailMessages = TAIL_MESSAGES,
      staleReads = 'serve',
      bus = new NoBus(),
      clock = systemClock,
      stalenessBoundMs = NO_BOUND_MS,
      maxUnseenChanges,
    }: CacheUnderTestOptions = {},
  ) {
    const ask = async <T>(name: string, read: () => T): Promise<T> => {
      await passage(`${name} reads`);
      const answer = read();
      await passage(`${name} answers`);
      return answer;
    };
    const chatRepository: Pick<
      ChatRepository,
      'loadChats' | 'loadUserChats' | 'findMembers' | 'countUnread' | 'loadInbox'
    > = {
      loadChats: (chatIds, tail, blockSize) => ask('loadChats', () => database.loadChats(chatIds, tail, blockSize)),
      loadUserChats: (userId) => ask('loadUserChats', () => database.loadUserChats(userId)),
      findMembers: (asked) => ask('findMembers', () => database.findMembers(asked)),
      countUnread: (userId, chatIds) => ask('countUnread', () => database.countUnread(userId, chatIds)),
      loadInbox: (userId, chatIds) => ask('loadInbox', () => database.loadInbox(userId, chatIds)),
    };
    const messageRepository: Pick<MessageRepository, 'loadMessages' | 'loadChanges'> = {
      loadMessages: (chatId, from, to) => ask('loadMessages', () => database.loadMessages(chatId, from, to)),
      loadChanges: (chatId, since, limit) => ask('loadChanges', () => database.loadChanges(chatId, since, limit)),
    };
    const headRepository: Pick<HeadRepository, 'poll' | 'findMemberships' | 'findVersions' | 'settle'> = {
      poll: (horizon) => ask('poll', () => database.pollHeads(horizon)),
      findVersions: (chatIds) => ask('findVersions', () => database.findVersions(chatIds)),
      settle: () => Promise.resolve(),
      findMemberships: (chatIds, userIds) => ask('poll', () => database.findMemberships(chatIds, userIds)),
    };
    const tailRepository: Pick<TailRepository, 'loadTails'> = {
      loadTails: async (chatIds, tail, blockSize, sink) => {
        const answer = await ask('loadTails', () => database.loadTails(chatIds, tail, blockSize));
        sink.onChats(answer.chats);
        const row = new MessageRow(sink);
        for (const [position, rows] of answer.data.entries()) {
          // Behind the header comes the first chat, and the trailer right behind the last.
          if (position > 1 && position < answer.data.length - 1) await passage('loadTails goes on');
          for (const data of rows) row.onData(data, 0, data.length);
        }
      },
    };
    const chats = chatRepository as ChatRepository;
    const messages = messageRepository as MessageRepository;
    this.state = new CacheState({
      mode,
      maxBytes,
      tailMessages,
      warmDeadlineMs: 0,
      pollMs: 1_000_000,
      stalenessBoundMs,
      staleReads,
      maxUnseenChanges,
    });
    Object.assign(this.state, { lease: new Lease(stalenessBoundMs, clock) });
    this.state.lease.confirm(this.state.lease.now());
    this.applier = new ChangeApplier(this.state, this.#feed);
    const heads = headRepository as HeadRepository;
    this.doubts = new Revalidator(heads, this.state);
    const repairer = new ChatRepairer(messages, this.state, this.stats, this.coherence);
    const tails = tailRepository as TailRepository;
    this.chats = new ChatReader(
      ...([chats, this.state, this.stats, tails, repairer, this.doubts] as const),
      new MembershipReader(chats),
    );
    this.messages = new MessageReader(messages, this.chats, this.state, this.stats);
    const inboxes = new InboxReader(chats, this.chats, new UnreadReader(chats, this.state), this.state, this.doubts);
    const cached = new AnswerReader(this.chats, this.messages, inboxes, messages, this.state);
    const past = AnswerReader.past(this.state.past(), this.stats, this.doubts, {
      chatRepository: chats,
      messageRepository: messages,
      tailRepository: tails,
    });
    this.cache = new MessageCache(cached, past, this.state, this.stats);
    this.poller = new Poller(heads, this.applier, this.state, bus);
    this.peers = new Peers(bus, this.applier, this.poller, this.state, this.coherence, this.#feed);
  }

  /** What the group commit does after COMMIT. */
  announce(chatId: string, ...changes: readonly Change[]): void {
    this.#feed.announce(asCommitted({ chatId, changes }));
  }

  /** What the group commit does when the answer to COMMIT is lost. */
  announceUnknown(chatId: string): void {
    this.#feed.announceUnknown(chatId);
  }
}

/** Holds back what passes, until the test lets it go on. */
export class Gate {
  readonly #waiting: {
    readonly step: string;
    readonly resolve: () => void;
    readonly reject: (error: Error) => void;
  }[] = [];

  readonly pass: Passage = (step) =>
    new Promise((resolve, reject) => {
      this.#waiting.push({ step, resolve, reject });
    });

  /** What waits, in the order it came. */
  get waiting(): string[] {
    return this.#waiting.map(({ step }) => step);
  }

  /** Lets the first one that waits at a step go on, and waits until everything that follows from it has happened. */
  async open(step: string): Promise<void> {
    await quiet();
    this.#take(step).resolve();
    await quiet();
  }

  /** Fails the first one that waits at a step. */
  async fail(step: string, error: Error): Promise<void> {
    await quiet();
    this.#take(step).reject(error);
    await quiet();
  }

  #take(step: string): { readonly resolve: () => void; readonly reject: (error: Error) => void } {
    const at = this.#waiting.findIndex((each) => each.step === step);
    if (at < 0) throw new Error(`nothing waits at "${step}", only at ${JSON.stringify(this.waiting)}`);
    return this.#waiting.splice(at, 1)[0]!;
  }
}

/** Resolves when every promise that could go on has gone on. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
