import { describe, expect, it } from '@jest/globals';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import type { CacheUnderTestOptions } from './cache-under-test.js';
import { CHAT, LAST_SEQ, SEND, database, passUntil, tested, testWith, write } from './gated-chat.js';
import { sampleChatId } from './sample-records.js';

/** More than the chat takes, less than two. */
const SMALL = 60_000;

interface Published {
  readonly slice: Buffer;
  readonly text: string;
}

/** Brings the whole chat into the cache. */
async function load(options: CacheUnderTestOptions = {}): Promise<void> {
  testWith({ tailMessages: LAST_SEQ, ...options });
  await passUntil(tested.chats.read(CHAT));
}

/** Reads a page that begins in one block and ends in the last, and keeps it as a socket would. */
function publish(): Published[] {
  const entry = tested.state.store.getChat(CHAT)!;
  const { slices } = tested.messages.peek(entry, { fromSeq: BLOCK_SIZE - 5, toSeq: entry.lastSeq }, 'hit')!;
  expect(slices.length).toBe(3);
  return slices.map((slice) => ({ slice, text: slice.toString() }));
}

function expectUnchanged(published: readonly Published[]): void {
  for (const { slice, text } of published) expect(slice.toString()).toBe(text);
}

describe('the slices of a page', () => {
  it('stay what they were when messages are sent behind them', async () => {
    await load();
    const published = publish();
    for (let sent = 0; sent < BLOCK_SIZE; sent++) {
      write(SEND);
      expectUnchanged(published);
    }
  });

  it('stay what they were when messages of the page are edited', async () => {
    await load();
    const published = publish();
    for (let seq = BLOCK_SIZE - 5; seq <= LAST_SEQ; seq += 7) {
      write({ type: 'edit', seq });
      expectUnchanged(published);
    }
  });

  it('stay what they were when a message is edited or deleted whose block has room to spare', async () => {
    await load();
    for (const each of [
      { type: 'edit', seq: LAST_SEQ - 3 },
      { type: 'delete', seq: LAST_SEQ - 3 },
    ] as const) {
      write(SEND);
      const published = publish();
      write(each);
      expectUnchanged(published);
    }
  });

  it('stay what they were when the chat is repaired, dropped and loaded again', async () => {
    await load();
    const published = publish();
    database.commit(CHAT, { type: 'delete', seq: LAST_SEQ });
    tested.state.noteVersion(CHAT, 2, 'poll');
    await passUntil(tested.chats.read(CHAT));
    expectUnchanged(published);
    tested.announceUnknown(CHAT);
    await passUntil(tested.chats.read(CHAT));
    expectUnchanged(published);
  });

  it('stay what they were when their blocks are packed, and when all is given back', async () => {
    await load({ maxBytes: SMALL });
    const published = publish();
    const entry = tested.state.store.getChat(CHAT)!;
    let packed = 0;
    for (let number = 2; number < 20; number++) {
      const other = sampleChatId(number);
      database.commit(other, { type: 'create', userIds: ['alice'], lastSeq: BLOCK_SIZE });
      // Read more often than the page was, so that it is the page's blocks that have to make room.
      for (let read = 0; read < 5; read++) await passUntil(tested.cache.getMessages(other, { limit: 5 }));
      packed = Math.max(packed, [...entry.blocks.values()].filter(({ isPacked }) => isPacked).length);
      expectUnchanged(published);
    }
    expect(packed).toBeGreaterThan(0);
    tested.state.setMode('off');
    expect(tested.state.store.blockCount).toBe(0);
    expectUnchanged(published);
  });
});
