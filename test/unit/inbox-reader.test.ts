import { beforeEach, describe, expect, it } from '@jest/globals';
import { expectInbox } from './cache-expectations.js';
import { CacheUnderTest, Gate, quiet } from './cache-under-test.js';
import { FakeDatabase, type Write } from './fake-database.js';
import { sampleChatId } from './sample-records.js';

const [CHAT, OTHER] = [sampleChatId(1), sampleChatId(2)] as const;

let database: FakeDatabase;
let gate: Gate;
let tested: CacheUnderTest;

beforeEach(() => {
  database = new FakeDatabase();
  database.commit(CHAT, { type: 'create', userIds: ['alice', 'bob'], lastSeq: 5 });
  database.commit(OTHER, { type: 'create', userIds: ['alice'], lastSeq: 2 });
  gate = new Gate();
  tested = new CacheUnderTest(database, gate.pass);
});

/** Commits on this instance, in one transaction, and announces it. */
function write(chatId: string, ...writes: readonly Write[]): void {
  tested.announce(chatId, ...writes.map((each) => database.commit(chatId, each)!));
}

/** Lets everything pass until a promise is settled. @returns how often the database was asked. */
async function passUntil(promise: Promise<unknown>): Promise<number> {
  let asked = 0;
  let isSettled = false;
  const note = (): void => {
    isSettled = true;
  };
  promise.then(note, note);
  for (await quiet(); !isSettled; await quiet()) {
    if (gate.waiting.length === 0) continue;
    if (gate.waiting[0]!.endsWith('reads')) asked++;
    await gate.open(gate.waiting[0]!);
  }
  return asked;
}

/** Reads an inbox, of which all must be of the present version. @returns how often the database was asked. */
async function readInbox(userId: string): Promise<number> {
  const reading = tested.cache.getUserChats(userId);
  const asked = await passUntil(reading);
  const present = new Map([CHAT, OTHER].map((chatId) => [chatId, database.state(chatId).version]));
  expectInbox((await reading).value, userId, database, { seen: present, whole: present });
  return asked;
}

describe('an inbox', () => {
  it('asks the database once and then follows every write without it', async () => {
    expect(await readInbox('bob')).toBeGreaterThan(0);
    for (const each of [
      { type: 'send', senderId: 'alice' },
      { type: 'send', senderId: 'bob' },
      { type: 'send', senderId: 'alice', kind: 'system' },
      { type: 'read', userId: 'bob', seq: 6 },
      { type: 'delete', seq: 2 },
      { type: 'send', senderId: 'alice' },
      { type: 'delete', seq: 9 },
      { type: 'edit', seq: 8 },
      { type: 'title', title: 'new' },
    ] as const) {
      write(CHAT, each);
      expect(await readInbox('bob')).toBe(0);
    }
    write(OTHER, { type: 'join', userId: 'bob' });
    await readInbox('bob');
    expect(await readInbox('bob')).toBe(0);
    write(CHAT, { type: 'leave', userId: 'bob' });
    expect(await readInbox('bob')).toBe(0);
  });

  it('has a chat that the user came into while the index was being read', async () => {
    const reading = tested.cache.getUserChats('bob');
    await gate.open('loadUserChats reads');
    write(OTHER, { type: 'join', userId: 'bob' });
    await passUntil(reading);
    expect((await reading).value.items.map(({ chat }) => chat.id).toSorted()).toEqual([CHAT, OTHER]);
  });

  it('has a chat that another instance put the user into and that was filled while the index was being read', async () => {
    await passUntil(tested.poller.pollOnce());
    const reading = tested.cache.getUserChats('bob');
    await gate.open('loadUserChats reads');
    database.commit(OTHER, { type: 'join', userId: 'bob' });
    const filling = tested.chats.read(OTHER);
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await filling).entry.members.has('bob')).toBe(true);
    await passUntil(reading);
    await passUntil(tested.poller.pollOnce());
    await readInbox('bob');
  });

  it('has a chat that the user came into after everybody’s memberships were forgotten, though an index was on its way', async () => {
    const before = tested.cache.getUserChats('bob');
    await gate.open('loadUserChats reads');
    tested.applier.onMembershipsUnknown();
    write(OTHER, { type: 'join', userId: 'bob' });
    await readInbox('bob');
    await before;
    await readInbox('bob');
  });

  it('counts unread messages at the version that it shows when the database is ahead of the cache', async () => {
    await readInbox('alice');
    await passUntil(tested.chats.read(CHAT));
    database.commit(CHAT, { type: 'send', senderId: 'alice' });
    const reading = tested.cache.getUserChats('bob');
    const asked = await passUntil(reading);
    expectInbox((await reading).value, 'bob', database, {
      seen: new Map([
        [CHAT, 1],
        [OTHER, 1],
      ]),
      whole: new Map(),
    });
    // The index, the count, the chat, and the count again.
    expect(asked).toBeLessThanOrEqual(4);
  });

  it('counts unread messages at the version that it shows when others write all the time', async () => {
    await readInbox('alice');
    await passUntil(tested.chats.read(CHAT));
    const reading = tested.cache.getUserChats('bob');
    let isOver = false;
    void reading.then(() => (isOver = true));
    for (await quiet(); !isOver; await quiet()) {
      if (gate.waiting.length === 0) continue;
      // Before each statement, between its reading and its answer, and while a chat is brought up to date.
      database.commit(CHAT, { type: 'send', senderId: 'alice' });
      await gate.open(gate.waiting[0]!);
    }
    const { value } = await reading;
    expect(value.items.map(({ chat }) => chat.id)).toEqual([CHAT]);
    expectInbox(value, 'bob', database, { seen: new Map([[CHAT, 1]]), whole: new Map() });
    // Whoever comes next sees as much.
    const next = tested.cache.getChat(CHAT);
    await passUntil(next);
    expect((await next)!.version).toBeGreaterThanOrEqual(value.items[0]!.chat.version);
  });

  it('counts unread messages right when messages follow a read marker in one transaction', async () => {
    await readInbox('bob');
    write(
      CHAT,
      { type: 'read', userId: 'bob', seq: 3 },
      { type: 'send', senderId: 'alice' },
      { type: 'delete', seq: 4 },
    );
    expect(await readInbox('bob')).toBe(0);
  });

  it('is read again when the index could not be had', async () => {
    const reading = tested.cache.getUserChats('bob').catch((error: unknown) => error);
    await gate.fail('loadUserChats reads', new Error('connection lost'));
    expect(await reading).toMatchObject({ message: 'connection lost' });
    await readInbox('bob');
  });

  it('counts a message once that is announced twice', async () => {
    await readInbox('bob');
    const change = database.commit(CHAT, { type: 'send', senderId: 'alice' })!;
    tested.announce(CHAT, change);
    tested.announce(CHAT, change);
    expect(await readInbox('bob')).toBe(0);
  });

  it('names a chat whose repair has found that the user came into it', async () => {
    await readInbox('bob');
    await readInbox('carol');
    database.commit(CHAT, { type: 'join', userId: 'carol' });
    write(CHAT, { type: 'send', senderId: 'alice' });
    await passUntil(tested.chats.read(CHAT));
    expect(tested.coherence.repairs).toMatchObject({ gap: 1 });
    await readInbox('carol');
  });
});
