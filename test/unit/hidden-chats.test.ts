import { describe, expect, it } from '@jest/globals';
import { quiet } from './cache-under-test.js';
import { CHAT, SEND, database, gate, load, passUntil, tested, testWith, writeElsewhere } from './gated-chat.js';
import { sampleChatId } from './sample-records.js';

const ALICE = { viewer: 'alice' };
const MALLORY = { viewer: 'mallory' };

/** Lets the database tell who is in what. */
async function tellMembers(): Promise<void> {
  await gate.open('findMembers reads');
  await gate.open('findMembers answers');
}

describe('a chat that is not held', () => {
  it('is loaded for a user who is in it, once they have been asked about', async () => {
    const reading = tested.cache.getChat(CHAT, ALICE);
    await quiet();
    expect(gate.waiting).toEqual(['findMembers reads']);
    await tellMembers();
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading)?.version).toBe(1);
  });

  it('is not loaded for a user who is not in it, and is answered as one that does not exist', async () => {
    for (const chatId of [CHAT, sampleChatId(2)]) {
      const reading = tested.cache.getMessages(chatId, {}, { ...MALLORY, minVersion: 7 });
      await tellMembers();
      expect(await reading).toBeUndefined();
      expect(gate.waiting).toEqual([]);
      expect(tested.state.store.getChat(chatId)).toBeUndefined();
    }
    expect(tested.stats.loads).toEqual({ ok: 0, failed: 0 });
  });

  it('is one question and one load for many users who come at once, and none for a service', async () => {
    const users = ['alice', 'bob', 'mallory', 'alice'];
    const readings = users.map((viewer) => tested.cache.getChat(CHAT, { viewer }));
    const service = tested.cache.getChat(CHAT);
    await quiet();
    expect(gate.waiting).toEqual(['loadChats reads', 'findMembers reads']);
    await tellMembers();
    await gate.open('loadChats reads');
    expect(gate.waiting).toEqual(['loadChats answers']);
    await gate.open('loadChats answers');
    expect((await service)?.version).toBe(1);
    const found = await Promise.all(readings);
    expect(found.map((chat) => chat?.version)).toEqual([1, 1, undefined, 1]);
    expect(gate.waiting).toEqual([]);
    expect(tested.stats.loads).toEqual({ ok: 1, failed: 0 });
  });

  it('is seen by whoever was added before they asked, though a question was on its way', async () => {
    const before = tested.cache.getChat(CHAT, MALLORY);
    await gate.open('findMembers reads');
    writeElsewhere({ type: 'join', userId: 'mallory' });
    const after = tested.cache.getChat(CHAT, { ...MALLORY, minVersion: 2 });
    await gate.open('findMembers answers');
    expect(await before).toBeUndefined();
    await passUntil(after);
    expect((await after)?.version).toBe(2);
  });

  it('is read again for whoever was added after the reading that they have joined', async () => {
    const before = tested.cache.getChat(CHAT);
    await gate.open('loadChats reads');
    writeElsewhere({ type: 'join', userId: 'mallory' });
    const after = tested.cache.getChat(CHAT, MALLORY);
    await tellMembers();
    await gate.open('loadChats answers');
    expect((await before)?.version).toBe(1);
    await passUntil(after);
    expect((await after)?.version).toBe(2);
    expect(tested.stats.loads).toEqual({ ok: 2, failed: 0 });
  });

  it('is not shown to a user who is removed while it is loaded for them', async () => {
    const reading = tested.cache.getChat(CHAT, ALICE);
    await tellMembers();
    writeElsewhere({ type: 'leave', userId: 'alice' });
    await passUntil(reading);
    expect(await reading).toBeUndefined();
  });

  it('frees all who ask with the error when the database cannot tell, and is asked about anew', async () => {
    const readings = [ALICE, MALLORY].map((viewer) => tested.cache.getChat(CHAT, viewer));
    const outcomes = Promise.allSettled(readings);
    await gate.fail('findMembers reads', new Error('connection lost'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = tested.cache.getChat(CHAT, ALICE);
    await passUntil(again);
    expect((await again)?.version).toBe(1);
  });

  it('is asked about once with all others of a batch, and those that the user is in are loaded together', async () => {
    const [other, hidden] = [sampleChatId(2), sampleChatId(3)];
    database.commit(other, { type: 'create', userIds: ['alice'], lastSeq: 3 });
    database.commit(hidden, { type: 'create', userIds: ['bob'], lastSeq: 3 });
    const reading = tested.cache.getLatest([CHAT, hidden, other, sampleChatId(4)], 2, ALICE);
    await tellMembers();
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading).value.items.map(({ chatId }) => chatId)).toEqual([CHAT, other]);
    expect(gate.waiting).toEqual([]);
    expect(tested.stats.loads).toEqual({ ok: 1, failed: 0 });
  });

  it.each(['off', 'shadow'] as const)('is read for its members alone with the mode %s, too', async (mode) => {
    testWith({ mode });
    const hidden = tested.cache.getLatest([CHAT, sampleChatId(2)], 2, MALLORY);
    await passUntil(hidden);
    expect((await hidden).value.items).toEqual([]);
    expect(tested.stats.loads).toEqual({ ok: 0, failed: 0 });
    const shown = tested.cache.getLatest([CHAT, sampleChatId(2)], 2, ALICE);
    await passUntil(shown);
    expect((await shown).value.items).toHaveLength(1);
  });
});

describe('a chat that is held', () => {
  it('is answered from memory, whoever asks', async () => {
    await load();
    expect((await tested.cache.getChat(CHAT, ALICE))?.source).toBe('hit');
    expect(await tested.cache.getChat(CHAT, MALLORY)).toBeUndefined();
    expect(gate.waiting).toEqual([]);
  });

  it('and has missed something is mended for its members without a question, and not for others', async () => {
    await load();
    writeElsewhere(SEND);
    tested.applier.onVersionSeen(CHAT, 2);
    const stranger = tested.cache.getChat(CHAT, MALLORY);
    await tellMembers();
    expect(await stranger).toBeUndefined();
    const member = tested.cache.getChat(CHAT, ALICE);
    await quiet();
    expect(gate.waiting).toEqual(['loadChanges reads']);
    await passUntil(member);
    expect((await member)?.version).toBe(2);
  });

  it('and has missed that a user was added is shown to them', async () => {
    await load();
    writeElsewhere({ type: 'join', userId: 'mallory' });
    const reading = tested.cache.getChat(CHAT, { ...MALLORY, minVersion: 2 });
    await passUntil(reading);
    expect((await reading)?.version).toBe(2);
  });

  it('while nobody can tell whether it is current, is told to be there to its members alone', async () => {
    await load();
    tested.state.lease.revoke();
    const stranger = tested.cache.getChat(CHAT, MALLORY);
    await tellMembers();
    expect(await stranger).toBeUndefined();
    expect(gate.waiting).toEqual([]);
  });
});
