import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScrollbackError } from '../../src/common/scrollback-error.js';
import { expectHeldAsInDatabase, expectLedger } from './cache-expectations.js';
import { CacheUnderTest } from './cache-under-test.js';
import { FakeDatabase, type Write } from './fake-database.js';
import { LossyNetwork } from './lossy-bus.js';
import { sampleChatId } from './sample-records.js';

const CHAT = sampleChatId(1);
const SEND: Write = { type: 'send', senderId: 'bob' };
/** Changes that are applied although nobody reads the chat. */
const APPLIED = 3;
const BOUND_MS = 5000;

let database: FakeDatabase;
let steps: string[];
let losesAll: boolean;
let isAway: boolean;
let passedMs: number;
let writer: CacheUnderTest;
let other: CacheUnderTest;

beforeEach(async () => {
  database = new FakeDatabase();
  database.commit(CHAT, { type: 'create', userIds: ['alice', 'bob'], lastSeq: 5 });
  losesAll = false;
  isAway = false;
  passedMs = 0;
  const network = new LossyNetwork((message) => {
    if (!losesAll) message.to.deliver(message);
  });
  steps = [];
  const noteStep = (step: string): Promise<void> => {
    if (step.endsWith('reads')) steps.push(step);
    return isAway ? Promise.reject(new ScrollbackError('database_unavailable', 'It is away.')) : Promise.resolve();
  };
  writer = new CacheUnderTest(database, () => Promise.resolve(), { bus: network.connect() });
  other = new CacheUnderTest(database, noteStep, {
    bus: network.connect(),
    maxUnseenChanges: APPLIED,
    stalenessBoundMs: BOUND_MS,
    clock: () => ({ monotonicMs: passedMs, wallMs: passedMs }),
  });
  for (const each of [writer, other]) {
    await each.peers.start();
    await each.poller.pollOnce();
  }
  await other.cache.getMessages(CHAT);
  steps = [];
});

/** Commits on the instance that writes, which announces each. */
function write(times: number, change: Write = SEND): void {
  for (let n = 0; n < times; n++) writer.announce(CHAT, database.commit(CHAT, change)!);
}

const version = (): number => database.state(CHAT).version;
const held = (): number => other.state.store.getChat(CHAT)!.version;

describe('changes of peers to a chat that nobody reads here', () => {
  it('are applied for a while, and then skipped: its next reader has it repaired', async () => {
    write(APPLIED);
    expect(held()).toBe(version());
    write(5);
    expect(held()).toBe(version() - 5);
    expect(other.chats.peek(CHAT)).toBeUndefined();
    expect((await other.cache.getMessages(CHAT))!.version).toBe(version());
    expect(steps).toEqual(['loadChanges reads']);
    expect(other.coherence.repairs).toMatchObject({ bus: 1, gap: 0 });
    expectHeldAsInDatabase(other, database, CHAT);
    expectLedger(other.state.store);
  });

  it('are applied again once somebody has read it, whatever of it', async () => {
    const reads = [
      () => other.cache.getChat(CHAT),
      () => other.cache.getMessage(CHAT, 2),
      () => other.cache.getParticipants(CHAT),
      () => other.cache.getUserChats('alice'),
      () => other.cache.getChanges(CHAT, version() - 1, 10),
    ];
    for (const read of reads) {
      write(APPLIED + 2);
      expect(held()).toBeLessThan(version());
      await read();
      write(APPLIED);
      expect(held()).toBe(version());
      await read();
      write(APPLIED);
      expect(held()).toBe(version());
    }
    expectHeldAsInDatabase(other, database, CHAT);
  });

  it('do not wait for those before them, be they a member’s who has come, or this instance’s own', async () => {
    write(APPLIED + 1);
    write(1, { type: 'join', userId: 'carol' });
    other.announce(CHAT, database.commit(CHAT, SEND)!);
    expect(other.state.early.size).toBe(0);
    expect((await other.cache.getMessages(CHAT))!.version).toBe(version());
    expectHeldAsInDatabase(other, database, CHAT);
  });

  it('leave whose inbox it has come into told at once, and the poll with nothing to ask', async () => {
    expect((await other.cache.getUserChats('carol')).value.items).toEqual([]);
    write(APPLIED + 1);
    write(1, { type: 'join', userId: 'carol' });
    write(1);
    steps = [];
    await other.poller.pollOnce();
    expect(steps).toEqual(['poll reads']);
    expect((await other.cache.getUserChats('carol')).value.items.map(({ chat }) => chat.id)).toEqual([CHAT]);
  });

  it('are not taken for whole where the bus has lost some: the poll asks who has come', async () => {
    expect((await other.cache.getUserChats('carol')).value.items).toEqual([]);
    write(APPLIED + 1);
    losesAll = true;
    write(1, { type: 'join', userId: 'carol' });
    losesAll = false;
    write(1);
    await other.poller.pollOnce();
    expect((await other.cache.getUserChats('carol')).value.items.map(({ chat }) => chat.id)).toEqual([CHAT]);
  });

  it('do not keep who waits for one of them waiting', async () => {
    write(APPLIED);
    other.state.hearsPeers = true;
    const waiting = jest.spyOn(other.state.waits, 'until');
    const reading = other.cache.getMessages(CHAT, {}, { minVersion: version() + 1 });
    write(1);
    let isTold = false;
    void (waiting.mock.results[0]!.value as Promise<void>).then(() => (isTold = true));
    // Not at the end of its time.
    await new Promise((resolve) => setImmediate(resolve));
    expect(isTold).toBe(true);
    expect((await reading)!.version).toBe(version());
  });

  it('leave a service what was there before, as stale, while the database is away', async () => {
    await other.cache.getUserChats('alice');
    write(APPLIED + 1);
    isAway = true;
    const read = () => other.cache.getMessages(CHAT);
    expect(await read()).toMatchObject({ source: 'stale', version: version() - 1 });
    passedMs += 2 * BOUND_MS;
    expect(await read()).toMatchObject({ source: 'stale', version: version() - 1 });
    const inbox = await other.cache.getUserChats('alice');
    expect(inbox.source).toBe('stale');
    expect(inbox.value.items.map(({ chat }) => chat.version)).toEqual([version() - 1]);
    await expect(other.cache.getMessages(CHAT, {}, { minVersion: version() })).rejects.toThrow('away');
  });

  it('are not told as never made once somebody has been told of them', async () => {
    write(APPLIED + 1);
    // An answer to a writer here.
    other.announce(CHAT, database.commit(CHAT, SEND)!);
    isAway = true;
    await expect(other.cache.getMessages(CHAT)).rejects.toThrow('away');
    passedMs += 2 * BOUND_MS;
    await expect(other.cache.getMessages(CHAT)).rejects.toThrow('away');
  });

  it('are told to who has many such chats, and what else is held of them stays', async () => {
    const chatIds = Array.from({ length: 20 }, (_unused, n) => sampleChatId(10 + n));
    for (const chatId of chatIds) {
      database.commit(chatId, { type: 'create', userIds: ['dora'], lastSeq: 5 });
      await other.cache.getMessages(chatId);
      for (let n = 0; n <= APPLIED; n++) writer.announce(chatId, database.commit(chatId, SEND)!);
    }
    steps = [];
    const inbox = await other.cache.getUserChats('dora');
    expect(inbox.value.items.every(({ chat }) => chat.version === database.state(chat.id).version)).toBe(true);
    expect(new Set(steps)).toEqual(new Set(['loadUserChats reads', 'loadChanges reads', 'countUnread reads']));
    steps = [];
    for (const chatId of chatIds) await other.cache.getMessages(chatId);
    expect(steps).toEqual([]);
    for (const chatId of chatIds) expectHeldAsInDatabase(other, database, chatId);
  });
});
