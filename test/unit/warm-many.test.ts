import { describe, expect, it } from '@jest/globals';
import { expectHeldAsInDatabase } from './cache-expectations.js';
import { sampleChatId } from './sample-records.js';
import { CHAT, LAST_SEQ, SEND, database, gate, tested, write, writeElsewhere } from './gated-chat.js';

const OTHER = sampleChatId(2);
const EMPTY = sampleChatId(3);
const ABSENT = sampleChatId(4);

async function warm(...chatIds: readonly string[]): Promise<number> {
  const warming = tested.chats.warmMany(chatIds);
  await gate.open('loadTails reads');
  await gate.open('loadTails answers');
  while (gate.waiting.includes('loadTails goes on')) await gate.open('loadTails goes on');
  return warming;
}

/** What the stream brought is not kept; the chat is read by itself, and is then right. */
async function expectReadAgain(warming: Promise<unknown>): Promise<void> {
  expect(tested.state.store.getChat(CHAT)).toBeUndefined();
  await gate.open('loadChats reads');
  await gate.open('loadChats answers');
  await warming;
  expectHeldAsInDatabase(tested, database, CHAT);
}

describe('warming', () => {
  it('brings chats as they are in the database, with one query, and counts their messages', async () => {
    database.commit(OTHER, { type: 'create', userIds: ['bob'], lastSeq: 3 });
    database.commit(EMPTY, { type: 'create', userIds: ['alice'] });
    const messages = await warm(CHAT, OTHER, EMPTY, ABSENT);
    for (const chatId of [CHAT, OTHER, EMPTY, ABSENT]) expectHeldAsInDatabase(tested, database, chatId);
    expect(tested.state.store.getChat(ABSENT)).toMatchObject({ isPresent: false, version: 0 });
    // The tail of the first chat: its last 10 messages lie in its last block, and in the one before.
    expect(messages).toBe(LAST_SEQ - 64 * Math.floor((LAST_SEQ - 10) / 64) + 3);
    expect(gate.waiting).toEqual([]);
    expect(tested.stats.loads).toEqual({ ok: 1, failed: 0 });
  });

  it('brings what it read up to a write that is announced while the answer is on its way', async () => {
    const warming = tested.chats.warmMany([CHAT]);
    await gate.open('loadTails reads');
    write(
      SEND,
      { type: 'edit', seq: LAST_SEQ },
      { type: 'delete', seq: LAST_SEQ - 1 },
      { type: 'title', title: 'new' },
    );
    await gate.open('loadTails answers');
    await warming;
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ version: 5, lastSeq: LAST_SEQ + 1 });
    expectHeldAsInDatabase(tested, database, CHAT);
    expect(gate.waiting).toEqual([]);
  });

  it('reads a chat again by itself when it missed a write of somebody else', async () => {
    const warming = tested.chats.warmMany([CHAT]);
    await gate.open('loadTails reads');
    writeElsewhere({ type: 'edit', seq: 1 });
    write(SEND);
    await gate.open('loadTails answers');
    await expectReadAgain(warming);
  });

  it('installs nothing older than what the poll has seen meanwhile', async () => {
    const warming = tested.chats.warmMany([CHAT]);
    await gate.open('loadTails reads');
    writeElsewhere(SEND);
    tested.applier.onVersionSeen(CHAT, 2);
    await gate.open('loadTails answers');
    await expectReadAgain(warming);
  });

  it('is the load of readers who ask for one of its chats meanwhile', async () => {
    const warming = tested.chats.warmMany([CHAT]);
    const reading = tested.chats.read(CHAT);
    await gate.open('loadTails reads');
    await gate.open('loadTails answers');
    await warming;
    expect((await reading).entry).toBe(tested.state.store.getChat(CHAT));
    expect(gate.waiting).toEqual([]);
  });

  it('brings each chat as soon as its own messages have come, and keeps it when the rest fails', async () => {
    const third = sampleChatId(5);
    for (const chatId of [OTHER, third]) database.commit(chatId, { type: 'create', userIds: ['bob'], lastSeq: 3 });
    const warming = tested.chats.warmMany([CHAT, OTHER, third]).catch((error: unknown) => error);
    await gate.open('loadTails reads');
    await gate.open('loadTails answers');
    // The first is complete when the second begins.
    expect(tested.state.store.chatCount).toBe(0);
    write(SEND);
    await gate.open('loadTails goes on');
    expectHeldAsInDatabase(tested, database, CHAT);
    write(SEND);
    await gate.fail('loadTails goes on', new Error('connection lost'));
    expect(await warming).toMatchObject({ message: 'connection lost' });
    expect(tested.state.store.chatCount).toBe(1);
    await warm(OTHER, third);
    for (const chatId of [CHAT, OTHER, third]) expectHeldAsInDatabase(tested, database, chatId);
  });

  it('leaves alone what is held or on its way', async () => {
    database.commit(OTHER, { type: 'create', userIds: ['bob'], lastSeq: 3 });
    await warm(CHAT);
    const entry = tested.state.store.getChat(CHAT);
    const reading = tested.chats.read(OTHER);
    expect(await tested.chats.warmMany([CHAT, OTHER])).toBe(0);
    expect(gate.waiting).toEqual(['loadChats reads']);
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    await reading;
    expect(tested.state.store.getChat(CHAT)).toBe(entry);
  });

  it('of a deleted chat shows it to nobody', async () => {
    write({ type: 'remove' });
    await warm(CHAT);
    expect(tested.state.store.getChat(CHAT)).toMatchObject({ isPresent: false, version: 2 });
    expect(tested.state.store.getChat(CHAT)!.blocks.size).toBe(0);
    expect(await tested.cache.getChat(CHAT)).toBeUndefined();
  });

  it('that fails leaves nothing behind, and frees its chats to be read again', async () => {
    const warming = tested.chats.warmMany([CHAT, ABSENT]).catch((error: unknown) => error);
    await gate.fail('loadTails reads', new Error('connection lost'));
    expect(await warming).toMatchObject({ message: 'connection lost' });
    expect(tested.state.store.getChat(CHAT)).toBeUndefined();
    expect(tested.stats.loads).toEqual({ ok: 0, failed: 1 });
    await warm(CHAT);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('puts what it brings behind what readers have asked for', async () => {
    database.commit(OTHER, { type: 'create', userIds: ['bob'], lastSeq: 3 });
    database.commit(EMPTY, { type: 'create', userIds: ['alice'] });
    const reading = tested.chats.read(OTHER);
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    await reading;
    await warm(CHAT, EMPTY);
    expect([...tested.state.store.hottestChats()].map(({ chatId }) => chatId)[0]).toBe(OTHER);
  });
});
