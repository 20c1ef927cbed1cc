import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { pageRange } from '../../src/cache/read/page-range.js';
import type { Change } from '../../src/storage/write/change.js';
import {
  expectHeldAsInDatabase,
  expectInbox,
  itemsOf,
  jsonOf,
  membersOf,
  type Knowledge,
} from './cache-expectations.js';
import { CacheUnderTest } from './cache-under-test.js';
import { FakeDatabase, firstSeqOf, type ChatState, type Write } from './fake-database.js';
import { sampleChatId } from './sample-records.js';

const [LONG, SHORT, NEW] = [sampleChatId(1), sampleChatId(2), sampleChatId(3)] as const;
const CHATS = [LONG, SHORT, NEW];
const USERS = ['alice', 'bob', 'carol'];

/** More than two blocks, of which a fill brings the last. */
const LONG_SEQ = 2 * BLOCK_SIZE + 12;

const chatId = fc.constantFrom(...CHATS);
const userId = fc.constantFrom(...USERS);
const seq = fc.constantFrom(1, 2, 3, 5, BLOCK_SIZE, BLOCK_SIZE + 1, LONG_SEQ - 1, LONG_SEQ, LONG_SEQ + 1);

const write: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('send' as const),
      senderId: userId,
      kind: fc.constantFrom('user', 'user', 'system'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('edit' as const, 'delete' as const), seq }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('read' as const), userId, seq }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom('join' as const, 'leave' as const, 'promote' as const), userId }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('title' as const), title: fc.constantFrom('a', 'b') }) },
  { weight: 2, arbitrary: fc.constant<Write>({ type: 'create', userIds: ['alice', 'bob'] }) },
);

type PageRead = {
  readonly type: 'page';
  readonly chatId: string;
  readonly before?: number | undefined;
  readonly limit: number;
};
type Read =
  | PageRead
  | { readonly type: 'chat' | 'participants'; readonly chatId: string }
  | { readonly type: 'inbox'; readonly userId: string };

const read: fc.Arbitrary<Read> = fc.oneof(
  fc.record({ type: fc.constantFrom('chat' as const, 'participants' as const), chatId }),
  fc.record({
    type: fc.constant('page' as const),
    chatId,
    before: fc.option(seq, { nil: undefined }),
    limit: fc.constantFrom(1, 5, 200),
  }),
  fc.record({ type: fc.constant('inbox' as const), userId }),
);

/** One transaction of this instance: its changes are announced together, some time after they are committed. */
const transaction = fc.record({ chatId, writes: fc.array(write, { minLength: 1, maxLength: 3 }) });

const history = fc.record({
  maxBytes: fc.constantFrom(0, 6000, 30_000, 10_000_000),
  own: fc.array(transaction, { maxLength: 8 }),
  others: fc.array(fc.record({ chatId, writes: transaction.map(({ writes }) => writes), heard: fc.nat(2) }), {
    maxLength: 4,
  }),
  purges: fc.array(fc.record({ chatId, throughSeq: fc.constantFrom(1, 2, 5) }), { maxLength: 2 }),
  polls: fc.nat(2),
  warmings: fc.nat(2),
  reads: fc.array(read, { minLength: 1, maxLength: 10 }),
});

/** An instance among others, whose every step happens when the scheduler says so. */
class Scene {
  readonly database = new FakeDatabase();
  readonly tested: CacheUnderTest;
  readonly #seen = new Map(CHATS.map((each) => [each, 0]));
  readonly #whole = new Map(CHATS.map((each) => [each, 0]));

  constructor(
    private readonly scheduler: fc.Scheduler,
    maxBytes: number,
  ) {
    this.database.commit(LONG, { type: 'create', userIds: ['alice', 'bob'], lastSeq: LONG_SEQ });
    this.database.commit(SHORT, { type: 'create', userIds: ['bob', 'carol'], lastSeq: 3 });
    this.tested = new CacheUnderTest(this.database, (step) => this.#turn(step), { maxBytes });
  }

  async #turn(step: string): Promise<void> {
    await this.scheduler.schedule(Promise.resolve(), step);
  }

  async writeHere({ chatId: chat, writes }: { chatId: string; writes: readonly Write[] }): Promise<void> {
    await this.#turn(`commits ${JSON.stringify(writes)}`);
    const changes = writes.flatMap((each): readonly Change[] => {
      const change = this.database.commit(chat, each);
      return change === undefined ? [] : [change];
    });
    if (changes.length === 0) return;
    await this.#turn('announces');
    this.tested.announce(chat, ...changes);
    raise(this.#seen, chat, changes.at(-1)!.version);
    // Versions of others in between have perhaps brought somebody into the chat: the poll tells of it.
    if (changes[0]!.version <= this.#whole.get(chat)! + 1) raise(this.#whole, chat, changes.at(-1)!.version);
  }

  /** Another instance writes and publishes it; the bus may lose it, be late, or bring it twice, one before another. */
  async writeElsewhere({
    chatId: chat,
    writes,
    heard,
  }: {
    chatId: string;
    writes: readonly Write[];
    heard: number;
  }): Promise<void> {
    await this.#turn(`another instance commits ${JSON.stringify(writes)}`);
    const changes = writes.flatMap((each) => this.database.commit(chat, each) ?? []);
    if (changes.length === 0) return;
    await Promise.all(Array.from({ length: heard }, () => this.#hear(chat, changes)));
  }

  async #hear(chat: string, changes: readonly Change[]): Promise<void> {
    await this.#turn('hears of it');
    this.tested.announce(chat, ...changes);
    raise(this.#seen, chat, changes.at(-1)!.version);
    if (changes[0]!.version <= this.#whole.get(chat)! + 1) raise(this.#whole, chat, changes.at(-1)!.version);
  }

  async purge({ chatId: chat, throughSeq }: { chatId: string; throughSeq: number }): Promise<void> {
    await this.#turn(`somebody deletes rows through ${throughSeq}`);
    this.database.purge(chat, throughSeq);
  }

  async poll(): Promise<void> {
    await this.#turn('poll begins');
    const versions = CHATS.map((chat) => [chat, this.database.state(chat).version] as const);
    await this.tested.poller.pollOnce();
    for (const [chat, version] of versions) {
      raise(this.#seen, chat, version);
      raise(this.#whole, chat, version);
    }
  }

  async warm(): Promise<void> {
    await this.#turn('warms');
    await this.tested.chats.warmMany(CHATS);
  }

  async read(wanted: Read): Promise<void> {
    await this.#turn(`reads ${JSON.stringify(wanted)}`);
    const known: Knowledge = { seen: new Map(this.#seen), whole: new Map(this.#whole) };
    const { cache } = this.tested;
    if (wanted.type === 'inbox') {
      expectInbox((await cache.getUserChats(wanted.userId)).value, wanted.userId, this.database, known);
      return;
    }
    const chat = wanted.chatId;
    const answer =
      wanted.type === 'chat'
        ? await cache.getChat(chat)
        : wanted.type === 'page'
          ? await cache.getMessages(chat, { before: wanted.before, limit: wanted.limit })
          : await cache.getParticipants(chat, { limit: 200 });
    if (answer === undefined) {
      const states = this.database.statesSince(chat, known.seen.get(chat)!);
      expect(states.some((state) => state.chat === undefined)).toBe(true);
      return;
    }
    expect(answer.version).toBeGreaterThanOrEqual(known.seen.get(chat)!);
    raise(this.#seen, chat, answer.version);
    const text = answer.toBuffer().toString();
    const state = this.database.state(chat, answer.version);
    if (wanted.type === 'chat') expect(text).toBe(jsonOf(chat, state));
    else if (wanted.type === 'page') expectSameJson(text, pageOf(wanted, state));
    else
      expect(answer.value).toMatchObject({
        items: membersOf(state)
          .toSorted()
          .map((each) => ({ userId: each })),
      });
  }

  /** When nothing is on its way any more, everything that is held is what the database has. */
  async settle(): Promise<void> {
    await this.poll();
    for (const chat of CHATS) {
      const entry = this.tested.state.store.getChat(chat);
      if (entry?.isBehind === true) expect(entry.heardVersion).toBe(this.database.state(chat).version);
      else if (entry !== undefined) expectHeldAsInDatabase(this.tested, this.database, chat);
      await this.read({ type: 'chat', chatId: chat });
      await this.read({ type: 'page', chatId: chat, limit: 200 });
      await this.read({ type: 'page', chatId: chat, before: 10, limit: 5 });
    }
    for (const user of USERS) await this.read({ type: 'inbox', userId: user });
    for (const chat of CHATS) {
      if (this.tested.state.store.getChat(chat) !== undefined) expectHeldAsInDatabase(this.tested, this.database, chat);
    }
    expect(this.tested.state.store.bytes).toBeLessThanOrEqual(this.tested.state.store.maxBytes);
  }
}

/** Tells of the first difference alone: a page is long. */
function expectSameJson(actual: string, expected: string): void {
  if (actual === expected) return;
  const at = Math.max(0, [...actual].findIndex((character, index) => character !== expected[index]) - 40);
  expect(actual.slice(at, at + 200)).toBe(expected.slice(at, at + 200));
}

function raise(versions: Map<string, number>, chat: string, version: number): void {
  versions.set(chat, Math.max(versions.get(chat)!, version));
}

function pageOf(wanted: PageRead, state: ChatState): string {
  const firstSeq = firstSeqOf(state);
  const isEmpty = firstSeq > state.lastSeq;
  const { fromSeq, toSeq } = pageRange(wanted, state.lastSeq, firstSeq);
  const hasOlder = fromSeq > firstSeq && !isEmpty;
  const hasNewer = toSeq < state.lastSeq && !isEmpty;
  return (
    `{"chatId":"${wanted.chatId}","items":[${itemsOf(state, fromSeq, toSeq)}],"hasOlder":${hasOlder}` +
    `,"hasNewer":${hasNewer},"version":${state.version}}`
  );
}

async function inOrder<T>(steps: readonly T[], run: (step: T) => Promise<void>): Promise<void> {
  for (const step of steps) await run(step);
}

describe('the cache under every order of events', () => {
  it('never shows what was not, never goes back, and ends up as the database is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        history,
        async (scheduler, { maxBytes, own, others, purges, polls, warmings, reads }) => {
          const scene = new Scene(scheduler, maxBytes);
          await scheduler.waitFor(scene.poll());
          const mine = CHATS.map((chat) =>
            inOrder(
              own.filter((each) => each.chatId === chat),
              (each) => scene.writeHere(each),
            ),
          );
          const rest = [
            ...others.map((each) => scene.writeElsewhere(each)),
            ...purges.map((each) => scene.purge(each)),
            inOrder(Array.from({ length: polls }), () => scene.poll()),
            ...Array.from({ length: warmings }, () => scene.warm()),
            ...reads.map((each) => scene.read(each)),
          ];
          await scheduler.waitFor(Promise.all([...mine, ...rest]));
          await scheduler.waitFor(scene.settle());
        },
      ),
      { numRuns: 300 },
    );
  }, 240_000);
});
