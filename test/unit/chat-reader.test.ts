import { beforeEach, describe, expect, it } from '@jest/globals';
import { expectHeldAsInDatabase } from './cache-expectations.js';
import { quiet } from './cache-under-test.js';
import { sampleChatId } from './sample-records.js';
import {
  CHAT,
  LAST_SEQ,
  SEND,
  database,
  gate,
  load,
  passUntil,
  repair,
  tested,
  write,
  writeElsewhere,
} from './gated-chat.js';

describe('a fill of a chat', () => {
  it('brings what it read up to a write that is announced while the answer is on its way', async () => {
    const reading = tested.chats.read(CHAT);
    await gate.open('loadChats reads');
    write(SEND, { type: 'edit', seq: LAST_SEQ }, { type: 'title', title: 'new' });
    await gate.open('loadChats answers');
    expect(await reading).toMatchObject({ source: 'miss', entry: { version: 4, lastSeq: LAST_SEQ + 1 } });
    expectHeldAsInDatabase(tested, database, CHAT);
    expect(gate.waiting).toEqual([]);
  });

  it('takes a write once that it has read and that is announced afterwards', async () => {
    const reading = tested.chats.read(CHAT);
    const change = database.commit(CHAT, SEND)!;
    await gate.open('loadChats reads');
    tested.announce(CHAT, change);
    await gate.open('loadChats answers');
    expect((await reading).entry.version).toBe(2);
    expectHeldAsInDatabase(tested, database, CHAT);
    tested.announce(CHAT, change);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('reads again when it missed a write of somebody else before one that is announced', async () => {
    const reading = tested.chats.read(CHAT);
    await gate.open('loadChats reads');
    writeElsewhere({ type: 'edit', seq: 1 });
    write(SEND);
    await gate.open('loadChats answers');
    expect(tested.state.store.getChat(CHAT)).toBeUndefined();
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading).entry.version).toBe(3);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('reads again when the poll has seen a later version meanwhile', async () => {
    const reading = tested.chats.read(CHAT);
    await gate.open('loadChats reads');
    writeElsewhere(SEND);
    tested.applier.onVersionSeen(CHAT, 2);
    await gate.open('loadChats answers');
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading).entry.version).toBe(2);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is one for all who ask while it is on its way, whoever of them asks for what', async () => {
    const readings = Array.from({ length: 20 }, () => tested.chats.read(CHAT));
    readings.push(tested.chats.read(CHAT, { minVersion: 1 }), tested.chats.read(CHAT, { tail: 0 }));
    const many = tested.chats.loadMany([CHAT], 0);
    await quiet();
    expect(gate.waiting).toEqual(['loadChats reads']);
    await gate.open('loadChats reads');
    readings.push(tested.chats.read(CHAT));
    await gate.open('loadChats answers');
    const entries = (await Promise.all(readings)).map(({ entry }) => entry);
    expect(new Set([...entries, ...(await many)]).size).toBe(1);
    expect(gate.waiting).toEqual([]);
    expect(tested.stats.loads).toEqual({ ok: 1, failed: 0 });
  });

  it('that fails frees all who wait with the error and leaves nothing behind', async () => {
    const readings = [tested.chats.read(CHAT), tested.chats.read(CHAT)];
    const outcomes = Promise.allSettled(readings);
    await gate.fail('loadChats reads', new Error('connection lost'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(tested.state.store.getChat(CHAT)).toBeUndefined();
    expect(tested.stats.loads).toEqual({ ok: 0, failed: 1 });
    write(SEND);
    await load();
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('of a chat that does not exist is kept until the chat comes into being', async () => {
    const other = sampleChatId(2);
    const reading = tested.chats.read(other);
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading).entry).toMatchObject({ isPresent: false, version: 0 });
    expect(await tested.chats.read(other)).toMatchObject({ source: 'hit' });
    expect(await tested.cache.getChat(other)).toBeUndefined();
    tested.announce(other, database.commit(other, { type: 'create', userIds: ['alice'] })!);
    expect(tested.state.store.getChat(other)).toBeUndefined();
  });

  it('of a chat that comes into being meanwhile reads it', async () => {
    const other = sampleChatId(2);
    const reading = tested.chats.read(other);
    await gate.open('loadChats reads');
    tested.announce(other, database.commit(other, { type: 'create', userIds: ['alice'] })!);
    await gate.open('loadChats answers');
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading).entry).toMatchObject({ version: 1, chatId: other, isPresent: true });
  });

  it('that has read too early for a reader who joins it is not what this reader gets', async () => {
    const first = tested.chats.read(CHAT);
    await gate.open('loadChats reads');
    writeElsewhere(SEND);
    const second = tested.chats.read(CHAT, { minVersion: 2 });
    await gate.open('loadChats answers');
    expect((await first).entry.version).toBe(1);
    await passUntil(second);
    expect((await second).entry.version).toBe(2);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('of a chat that is deleted meanwhile shows it to nobody', async () => {
    const reading = tested.cache.getChat(CHAT);
    await gate.open('loadChats reads');
    write({ type: 'remove' });
    await gate.open('loadChats answers');
    expect(await reading).toBeUndefined();
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ isPresent: false, version: 2 });
  });
});

describe('a held chat', () => {
  beforeEach(load);

  it('is answered without asking the database, and follows every write', async () => {
    write(SEND, { type: 'delete', seq: LAST_SEQ }, { type: 'leave', userId: 'bob' });
    expect(await tested.chats.read(CHAT)).toMatchObject({ source: 'hit', entry: { version: 4 } });
    expectHeldAsInDatabase(tested, database, CHAT);
    expect(gate.waiting).toEqual([]);
  });

  it('is read by nobody when it has missed a version, until it has been told what it missed', async () => {
    writeElsewhere(SEND);
    write(SEND);
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ version: 1, isBehind: true });
    expect(tested.chats.peek(CHAT)).toBeUndefined();
    await repair();
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is told what it missed by what was changed since: messages, members, title', async () => {
    const entry = tested.state.store.getChat(CHAT);
    writeElsewhere(
      SEND,
      { type: 'edit', seq: LAST_SEQ },
      { type: 'delete', seq: LAST_SEQ - 1 },
      { type: 'leave', userId: 'bob' },
      { type: 'join', userId: 'carol' },
      { type: 'read', userId: 'alice', seq: 3 },
      { type: 'title', title: 'new' },
    );
    tested.state.noteVersion(CHAT, 8, 'poll');
    await repair();
    expect(tested.state.store.getChat(CHAT)).toBe(entry);
    expect(tested.coherence.repairs).toMatchObject({ poll: 1 });
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is loaded anew when more has changed than is worth telling', async () => {
    const entry = tested.state.store.getChat(CHAT);
    writeElsewhere(...Array.from({ length: 150 }, () => SEND));
    tested.state.noteVersion(CHAT, 151, 'bus');
    await repair();
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect(tested.state.store.getChat(CHAT)).not.toBe(entry);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is loaded anew when rows have vanished', async () => {
    database.purge(CHAT, 3);
    tested.state.noteVersion(CHAT, 2, 'poll');
    await repair();
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('applies changes that come before the ones they follow as soon as these have come', () => {
    const changes = [SEND, { type: 'title', title: 'new' } as const, SEND].map((each) => database.commit(CHAT, each)!);
    tested.announce(CHAT, changes[2]!);
    tested.announce(CHAT, changes[1]!);
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ version: 1, heardVersion: 4 });
    tested.announce(CHAT, changes[0]!);
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ version: 4, isBehind: false });
    tested.announce(CHAT, changes[1]!);
    expectHeldAsInDatabase(tested, database, CHAT);
    expect(gate.waiting).toEqual([]);
  });

  it('ignores changes that come again', () => {
    const edits = [1, 2].map(() => database.commit(CHAT, { type: 'edit', seq: LAST_SEQ })!);
    tested.announce(CHAT, ...edits);
    for (const change of [edits[0]!, edits[1]!, edits[0]!]) {
      tested.announce(CHAT, change);
      expectHeldAsInDatabase(tested, database, CHAT);
    }
  });

  it('that is being told what it missed takes what is announced meanwhile', async () => {
    writeElsewhere(SEND);
    tested.state.noteVersion(CHAT, 2, 'poll');
    const reading = tested.chats.read(CHAT);
    await gate.open('loadChanges reads');
    write(SEND);
    await gate.open('loadChanges answers');
    await gate.open('loadChanges reads');
    await gate.open('loadChanges answers');
    expect((await reading).entry.version).toBe(3);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is forgotten when the outcome of a commit is unknown', () => {
    tested.applier.onOutcomeUnknown(CHAT);
    expect(tested.state.store.getChat(CHAT)).toBeUndefined();
  });

  it('is read anew for who asks for a later version', async () => {
    writeElsewhere(SEND);
    const reading = tested.chats.read(CHAT, { minVersion: 2 });
    await gate.open('loadChanges reads');
    await gate.open('loadChanges answers');
    expect(await reading).toMatchObject({ source: 'miss', entry: { version: 2 } });
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('stays what it is when it has come by itself to the version that is being read for somebody', async () => {
    const entry = tested.state.store.getChat(CHAT);
    const reading = tested.chats.read(CHAT, { minVersion: 2 });
    await gate.open('loadChanges reads');
    write(SEND);
    await gate.open('loadChanges answers');
    expect((await reading).entry).toBe(entry);
    expect(tested.state.store.getChat(CHAT)).toBe(entry);
    await tested.chats.refresh(CHAT, 2);
    expect(gate.waiting).toEqual([]);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('refuses a reader who asks for a version that nobody has committed, and stays held', async () => {
    const reading = tested.chats.read(CHAT, { minVersion: 5 }).catch((error: unknown) => error);
    await passUntil(reading);
    expect(await reading).toMatchObject({ code: 'version_not_reached' });
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ version: 1 });
  });
});
