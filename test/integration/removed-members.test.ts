import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChatRepository, MessageCache, MessageRepository } from '../../src/index.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import type { Actor } from '../../src/storage/write/chat-operation.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const NEVER_MS = '60000';
const BOUND_MS = 1000;
const PATIENT_MS = 20_000;

const BOB: Actor = { type: 'user', userId: 'bob' };

/** By what the other instance learns of it: each alone. */
const WAYS = [
  {
    way: 'the bound alone',
    settings: { COHERENCE_BUS: 'none', COHERENCE_POLL_MS: NEVER_MS, STALENESS_BOUND_MS: `${BOUND_MS}` },
    // Nothing tells it: when the bound has gone by it has to ask.
    pass: () => sleep(BOUND_MS),
    tries: 1,
  },
  {
    way: 'the poll alone',
    settings: { COHERENCE_BUS: 'none', COHERENCE_POLL_MS: '100', STALENESS_BOUND_MS: NEVER_MS },
    pass: () => Promise.resolve(),
    tries: Infinity,
  },
  {
    way: 'the bus alone',
    settings: { COHERENCE_BUS: 'postgres', COHERENCE_POLL_MS: NEVER_MS, STALENESS_BOUND_MS: NEVER_MS },
    pass: () => Promise.resolve(),
    tries: Infinity,
  },
] as const;

describe.each(WAYS)('who is removed at one instance, and another learns of it by $way', ({ settings, pass, tries }) => {
  let database: TestDatabase;
  let one: TestInstance;
  let other: TestInstance;
  beforeAll(async () => {
    database = await createTestDatabase();
    one = await startTestInstance(settings, database);
    other = await startTestInstance(settings, database);
  });
  afterAll(async () => {
    await one.close();
    await other.close();
    await database.drop();
  });

  /** A chat that the other instance holds, and has shown to Bob in every way. */
  async function createChatSeenByBob(): Promise<string> {
    const { id } = await one.api.createChat({ participants: [{ userId: 'ann', role: 'owner' }, { userId: 'bob' }] });
    await one.api.send(id, { senderId: 'ann', text: 'for members' });
    await other.api.get(`/v1/chats/${id}`, { 'min-chat-version': '2' });
    for (const instance of [one, other]) expect(await shownToBob(instance, id)).toEqual(everywhere(true));
    return id;
  }

  /** In which ways Bob is shown the chat. */
  async function shownToBob({ instance }: TestInstance, chatId: string): Promise<Record<string, boolean>> {
    const cache = instance.app.get(MessageCache);
    const options = { viewer: 'bob' };
    const inbox = await cache.getUserChats('bob', {}, options);
    return {
      chat: (await cache.getChat(chatId, options)) !== undefined,
      page: (await cache.getMessages(chatId, {}, options)) !== undefined,
      message: (await cache.getMessage(chatId, 1, options)) !== undefined,
      participants: (await cache.getParticipants(chatId, {}, options)) !== undefined,
      changes: (await cache.getChanges(chatId, 1, 10, options)) !== undefined,
      latest: (await cache.getLatest([chatId], 1, options)).value.items.length > 0,
      inbox: inbox.value.items.some(({ chat: { id } }) => id === chatId),
    };
  }

  function everywhere(isShown: boolean): Record<string, boolean> {
    const ways = ['chat', 'page', 'message', 'participants', 'changes', 'latest', 'inbox'];
    return Object.fromEntries(ways.map((way) => [way, isShown]));
  }

  function send({ instance }: TestInstance, chatId: string): Promise<unknown> {
    return instance.app.get(MessageRepository).createMessage({ chatId, senderId: 'bob', text: 'still here?' }, BOB);
  }

  it('sees nothing of the chat any more: there at once, here within the bound', async () => {
    const chatId = await createChatSeenByBob();
    await one.instance.app.get(ChatRepository).removeParticipant(chatId, 'bob');
    expect(await shownToBob(one, chatId)).toEqual(everywhere(false));
    await pass();
    let shown: Record<string, boolean> = {};
    let tried = 0;
    await waitUntil(async () => {
      shown = await shownToBob(other, chatId);
      return ++tried >= tries || !Object.values(shown).includes(true);
    }, PATIENT_MS);
    expect(shown).toEqual(everywhere(false));
  });

  it('may write nothing from that moment on, at whatever instance', async () => {
    const chatId = await createChatSeenByBob();
    await one.instance.app.get(ChatRepository).removeParticipant(chatId, 'bob');
    for (const instance of [other, one])
      await expect(send(instance, chatId)).rejects.toMatchObject({ code: 'chat_not_found' });
  });

  it('or may only read from now on, writes nothing from that moment on, and is shown with the new role within the bound', async () => {
    const chatId = await createChatSeenByBob();
    await one.instance.app.get(ChatRepository).addParticipant(chatId, 'bob', 'readonly');
    for (const instance of [other, one])
      await expect(send(instance, chatId)).rejects.toMatchObject({ code: 'forbidden' });
    await pass();
    let role: string | undefined;
    let tried = 0;
    await waitUntil(async () => {
      const { value } = (await other.instance.app.get(MessageCache).getParticipants(chatId))!;
      role = value.items.find(({ userId }) => userId === 'bob')?.role;
      return ++tried >= tries || role === 'readonly';
    }, PATIENT_MS);
    expect(role).toBe('readonly');
  });
});
