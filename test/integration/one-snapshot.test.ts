import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { Database } from '../../src/storage/database.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const FIRST_MESSAGES = 3;

let running: TestInstance;
let chats: ChatRepository;
let messages: MessageRepository;
let chatId: string;

beforeAll(async () => {
  running = await startTestInstance();
  chats = running.instance.app.get(ChatRepository);
  messages = running.instance.app.get(MessageRepository);
});
afterAll(() => running.close());

beforeEach(async () => {
  ({ chatId } = await chats.createChat({ participants: [{ userId: 'ann' }] }));
  for (let sent = 0; sent < FIRST_MESSAGES; sent++) await send();
});

/** Somebody sends a message, which raises the chat's version and its last seq by one each. */
async function send(): Promise<void> {
  await messages.createMessage({ chatId, senderId: 'ann', text: 'news' });
}

/**
 * Loads while somebody writes as soon as a statement has read, before the next one is sent.
 *
 * @returns what was loaded.
 */
async function loadWhileWriting<T>(load: () => Promise<T>): Promise<T> {
  const database = running.instance.app.get(Database);
  const query = database.query.bind(database);
  let writes = 0;
  database.query = async (...asked) => {
    const rows = await query(...asked);
    if (asked[1].name.startsWith('load-')) {
      writes++;
      await send();
    }
    return rows as never;
  };
  try {
    return await load();
  } finally {
    database.query = query;
    expect(writes).toBeGreaterThan(0);
  }
}

describe('what is loaded is of the version that it names, whoever writes between two statements:', () => {
  // A chat that was created and then only sent to is at the version behind its last seq.
  it('chats with their tails', async () => {
    const [loaded] = await loadWhileWriting(() => chats.loadChats([chatId], 100, BLOCK_SIZE));
    expect(loaded!.head).toMatchObject({ version: FIRST_MESSAGES + 1, lastSeq: FIRST_MESSAGES });
    expect(loaded!.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('chats of an inbox with what is unread of them', async () => {
    await chats.addParticipant(chatId, 'bob');
    const read = await loadWhileWriting(() => chats.loadInbox('bob', [chatId]));
    expect(read).toMatchObject([{ loaded: { chatId, head: { version: FIRST_MESSAGES + 2 } }, unread: FIRST_MESSAGES }]);
    expect(read[0]!.loaded.messages.map(({ seq }) => seq)).toEqual([FIRST_MESSAGES]);
    expect(await chats.loadInbox('carol', [chatId])).toEqual([]);
  });

  it('messages', async () => {
    const loaded = await loadWhileWriting(() => messages.loadMessages(chatId, 1, BLOCK_SIZE));
    expect(loaded).toMatchObject({ version: FIRST_MESSAGES + 1, lastSeq: FIRST_MESSAGES });
    expect(loaded!.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('what has changed since a version', async () => {
    const loaded = await loadWhileWriting(() =>
      messages.loadChanges(chatId, 2, 100, { participantCount: 1, version: 2 }),
    );
    expect(loaded).toMatchObject({ version: FIRST_MESSAGES + 1, lastSeq: FIRST_MESSAGES, throughVersion: 4 });
    expect(loaded!.messages.map(({ seq }) => seq)).toEqual([2, 3]);
  });
});
