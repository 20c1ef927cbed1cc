import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { expectHeldAsInDatabase } from './cache-expectations.js';
import { CacheUnderTest } from './cache-under-test.js';
import { FakeDatabase, type Write } from './fake-database.js';
import { LossyNetwork, type BusMessage, type LossyBus } from './lossy-bus.js';
import { sampleChatId } from './sample-records.js';

const CHAT = sampleChatId(1);
const SEND: Write = { type: 'send', senderId: 'bob' };

let database: FakeDatabase;
let losesAll: boolean;
let writer: CacheUnderTest;
let other: CacheUnderTest;
let bus: LossyBus;

// A restored database is what some of these tests are about: no need to warn of it.
beforeAll(() => Logger.overrideLogger(false));

beforeEach(async () => {
  database = new FakeDatabase();
  database.commit(CHAT, { type: 'create', userIds: ['alice', 'bob'], lastSeq: 5 });
  losesAll = false;
  const network = new LossyNetwork((message) => {
    if (!losesAll) message.to.deliver(message);
  });
  const pass = (): Promise<void> => Promise.resolve();
  writer = new CacheUnderTest(database, pass, { bus: network.connect() });
  bus = network.connect();
  other = new CacheUnderTest(database, pass, { bus });
  for (const each of [writer, other]) {
    await each.peers.start();
    await each.poller.pollOnce();
  }
  await other.chats.read(CHAT);
});

/** Commits on the instance that writes, which announces it. */
function write(...writes: readonly Write[]): void {
  writer.announce(CHAT, ...writes.map((each) => database.commit(CHAT, each)!));
}

describe('an instance', () => {
  it('applies at once what a peer publishes of a chat that it holds', () => {
    write(SEND, { type: 'title', title: 'news' });
    expectHeldAsInDatabase(other, database, CHAT);
  });

  it('finds in an inbox a chat that it does not hold, as soon as a peer publishes who came into it', async () => {
    const second = sampleChatId(2);
    expect((await other.cache.getUserChats('carol')).value.items).toEqual([]);
    writer.announce(second, database.commit(second, { type: 'create', userIds: ['carol'] })!);
    expect((await other.cache.getUserChats('carol')).value.items.map(({ chat }) => chat.id)).toEqual([second]);
  });

  it('whose bus loses everything learns by the poll what a peer has written', async () => {
    losesAll = true;
    write(SEND);
    expect((await other.cache.getChat(CHAT))!.version).toBe(1);
    await other.poller.pollOnce();
    expect((await other.cache.getChat(CHAT))!.version).toBe(2);
    expectHeldAsInDatabase(other, database, CHAT);
  });

  it('whose bus lost a message repairs the chat when the next one comes', async () => {
    losesAll = true;
    write({ type: 'edit', seq: 3 });
    losesAll = false;
    write(SEND);
    expect(other.chats.peek(CHAT)).toBeUndefined();
    await other.chats.read(CHAT);
    expectHeldAsInDatabase(other, database, CHAT);
    expect(other.coherence.repairs).toMatchObject({ gap: 1 });
  });

  it('takes nothing that a server has lost from a peer who has not noticed that it broke off', async () => {
    const late: BusMessage[] = [];
    const network = new LossyNetwork((message) => late.push(message));
    const pass = (): Promise<void> => Promise.resolve();
    const hasty = new CacheUnderTest(database, pass, { bus: network.connect() });
    const careful = new CacheUnderTest(database, pass, { bus: network.connect() });
    for (const each of [hasty, careful]) {
      await each.peers.start();
      await each.poller.pollOnce();
    }
    hasty.announce(CHAT, database.commit(CHAT, { type: 'title', title: 'lost' })!);
    database.crash(CHAT, 1);
    await careful.poller.pollOnce();
    await careful.chats.read(CHAT);
    for (const message of late) message.to.deliver(message);
    expect(careful.state.store.getChat(CHAT)).toMatchObject({ version: 1, isBehind: false });
    expectHeldAsInDatabase(careful, database, CHAT);
  });

  it('takes nothing from a peer whose database has another history', async () => {
    database.restore(CHAT, 1);
    database.commit(CHAT, { type: 'title', title: 'of the new history' });
    await writer.poller.pollOnce();
    write(SEND);
    expect(other.state.store.getChat(CHAT)).toMatchObject({ version: 1, isBehind: false });
    await other.poller.pollOnce();
    expect((await other.cache.getChat(CHAT))!.version).toBe(3);
    expectHeldAsInDatabase(other, database, CHAT);
  });

  it('publishes nothing before it knows which history of the database it writes to', async () => {
    const published: string[] = [];
    const network = new LossyNetwork(({ run }) => published.push(run));
    const young = new CacheUnderTest(database, () => Promise.resolve(), { bus: network.connect() });
    network.connect();
    young.announce(CHAT, database.commit(CHAT, SEND)!);
    expect(published).toEqual([]);
    await young.poller.pollOnce();
    young.announce(CHAT, database.commit(CHAT, SEND)!);
    expect(published).toEqual([database.run]);
  });
});

describe('an instance that polls by itself', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(async () => {
    await other.poller.onApplicationShutdown();
    jest.useRealTimers();
  });

  it('looks at once for what it has missed when its bus has come back', async () => {
    await other.poller.start();
    losesAll = true;
    write(SEND);
    await jest.advanceTimersByTimeAsync(1000);
    expect(other.state.store.getChat(CHAT)).toMatchObject({ version: 1, isBehind: false });
    bus.reconnect();
    await jest.advanceTimersByTimeAsync(1000);
    expect(other.state.store.getChat(CHAT)).toMatchObject({ heardVersion: 2, isBehind: true });
  });

  it('looks at once when a peer tells of another history of the database', async () => {
    await other.poller.start();
    database.restore(CHAT, 1);
    await writer.poller.pollOnce();
    write(SEND);
    await jest.advanceTimersByTimeAsync(1000);
    expect(other.state.epoch).toBe(writer.state.epoch);
    expect(other.state.store.getChat(CHAT)).toBeUndefined();
  });
});
