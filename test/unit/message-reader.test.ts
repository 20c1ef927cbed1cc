import { beforeEach, describe, expect, it } from '@jest/globals';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { messageJson } from '../../src/cache/local/wire-json.js';
import { expectHeldAsInDatabase } from './cache-expectations.js';
import { quiet } from './cache-under-test.js';
import { CHAT, LAST_SEQ, SEND, database, gate, load, tested, testWith, write, writeElsewhere } from './gated-chat.js';

describe('a fill of messages', () => {
  const HISTORY = { before: BLOCK_SIZE - 3, limit: 5 };

  beforeEach(load);

  async function page(query = HISTORY): Promise<{ version: number; text: string }> {
    const answer = (await tested.cache.getMessages(CHAT, query))!;
    return { version: answer.version, text: answer.toBuffer().toString() };
  }

  function pageInDatabase(from: number, to: number): string {
    const { messages, version } = database.state(CHAT);
    const items = [...messages.values()].filter(({ seq }) => seq >= from && seq <= to).map(messageJson);
    return `{"chatId":"${CHAT}","items":[${items.join(',')}],"hasOlder":true,"hasNewer":true,"version":${version}}`;
  }

  it('is brought up to what is announced while it is on its way', async () => {
    const reading = page();
    await gate.open('loadMessages reads');
    write(
      { type: 'edit', seq: BLOCK_SIZE - 4 },
      SEND,
      { type: 'delete', seq: BLOCK_SIZE - 5 },
      { type: 'edit', seq: 1 },
    );
    await gate.open('loadMessages answers');
    expect(await reading).toEqual({ version: 5, text: pageInDatabase(BLOCK_SIZE - 8, BLOCK_SIZE - 4) });
    expectHeldAsInDatabase(tested, database, CHAT);
    expect(tested.state.store.getChat(CHAT)!.blocks.has(0)).toBe(true);
    expect(gate.waiting).toEqual([]);
  });

  it('takes in what was sent to the end of its block meanwhile', async () => {
    const entry = tested.state.store.getChat(CHAT)!;
    entry.blocks.clear();
    const reading = tested.cache.getMessages(CHAT, { limit: 3 });
    await gate.open('loadMessages reads');
    write(SEND, SEND);
    await gate.open('loadMessages answers');
    const items = (await reading)!.value.items.map(({ seq }) => seq);
    expect(items).toEqual([LAST_SEQ, LAST_SEQ + 1, LAST_SEQ + 2]);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is not put into an entry that has come in the place of the one it was read for, at another version', async () => {
    const reading = page();
    await gate.open('loadMessages reads');
    writeElsewhere({ type: 'edit', seq: BLOCK_SIZE - 4 });
    tested.applier.onOutcomeUnknown(CHAT);
    await load();
    await gate.open('loadMessages answers');
    expect(tested.state.store.getChat(CHAT)!.blocks.has(0)).toBe(false);
    await gate.open('loadMessages reads');
    await gate.open('loadMessages answers');
    expect(await reading).toEqual({ version: 2, text: pageInDatabase(BLOCK_SIZE - 8, BLOCK_SIZE - 4) });
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('brings the chat along when the database is ahead of it', async () => {
    const reading = page();
    const change = database.commit(CHAT, { type: 'edit', seq: BLOCK_SIZE - 4 })!;
    await gate.open('loadMessages reads');
    await gate.open('loadMessages answers');
    await gate.open('loadChanges reads');
    tested.announce(CHAT, change);
    await gate.open('loadChanges answers');
    await gate.open('loadMessages reads');
    await gate.open('loadMessages answers');
    expect(await reading).toEqual({ version: 2, text: pageInDatabase(BLOCK_SIZE - 8, BLOCK_SIZE - 4) });
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is one query for neighbouring blocks and for all who wait for them', async () => {
    const readings = [page({ before: LAST_SEQ, limit: LAST_SEQ } as typeof HISTORY), page(), page()];
    await quiet();
    expect(gate.waiting).toEqual(['loadMessages reads']);
    await gate.open('loadMessages reads');
    await gate.open('loadMessages answers');
    const [, one, other] = await Promise.all(readings);
    expect(one).toEqual(other);
    expect([...tested.state.store.getChat(CHAT)!.blocks.keys()].toSorted()).toEqual([0, 1, 2]);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('that fails frees all who wait, is counted, and leaves nothing behind', async () => {
    const outcomes = Promise.allSettled([page(), page()]);
    await quiet();
    await gate.fail('loadMessages reads', new Error('connection lost'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(tested.stats.loads.failed).toBe(1);
    const reading = page();
    await gate.open('loadMessages reads');
    await gate.open('loadMessages answers');
    expect((await reading).version).toBe(1);
  });

  it('is of use to its reader even when the budget has no room for anything', async () => {
    testWith({ maxBytes: 0 });
    const reading = page();
    while (gate.waiting.length > 0) await gate.open(gate.waiting[0]!);
    expect(await reading).toEqual({ version: 1, text: pageInDatabase(BLOCK_SIZE - 8, BLOCK_SIZE - 4) });
    expect(tested.state.store.bytes).toBe(0);
  });
});

describe('a page that is read past the cache', () => {
  it('is of one version, also when a message is sent while it is being read', async () => {
    testWith({ mode: 'off' });
    const reading = tested.cache.getMessages(CHAT, { limit: 200 });
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    write(SEND);
    await quiet();
    while (gate.waiting.length > 0) await gate.open(gate.waiting[0]!);
    const { version, items, hasNewer } = (await reading)!.value;
    expect(items.at(-1)!.seq).toBe(database.state(CHAT, version).lastSeq);
    expect(hasNewer).toBe(false);
  });
});
