import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { Database } from '../../src/storage/database.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { ApiClient, type ApiAnswer } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { LoggingServer } from './statement-log.js';

const SECRET = 'a secret of more than thirty-two bytes';
const KEY = 'the-key-of-a-service';

let server: LoggingServer;
let running: TestInstance;
let service: ApiClient;
let member: ApiClient;
let stranger: ApiClient;

beforeAll(async () => {
  server = await LoggingServer.start();
  running = await startTestInstance(
    {
      ...{ CACHE_TAIL_MESSAGES: '20', COHERENCE_POLL_MS: '60000', COHERENCE_BUS: 'none', STALENESS_BOUND_MS: '60000' },
      ...{ AUTH_MODE: 'key,jwt', AUTH_JWT_SECRET: SECRET },
      AUTH_KEYS: `backend:${createHash('sha256').update(KEY).digest('hex')}`,
    },
    server.database,
  );
  const { url } = running.instance;
  service = new ApiClient(url, undefined, KEY);
  member = new ApiClient(url, undefined, await tokenOf('ann'));
  stranger = new ApiClient(url, undefined, await tokenOf('mallory'));
});
afterAll(async () => {
  await running?.close();
  await server?.stop();
});

function tokenOf(userId: string): Promise<string> {
  const token = new SignJWT({ sub: userId }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h');
  return token.sign(Buffer.from(SECRET));
}

/** A chat of Ann's, which nobody has read yet. */
async function createColdChat(): Promise<string> {
  const { chatId } = await running.instance.app.get(ChatRepository).createChat({ participants: [{ userId: 'ann' }] });
  const messages = running.instance.app.get(MessageRepository);
  for (let at = 0; at < 3; at++) await messages.createMessage({ chatId, senderId: 'ann', text: `message ${at}` });
  return chatId;
}

/** The statements that something has the database run. */
async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const statements = await server.record(async () => {
    await work();
  });
  return statements.map(({ statement }) => statement).filter((statement) => statement !== 'poll-heads');
}

const READS: readonly (readonly [string, (api: ApiClient, chatId: string) => Promise<ApiAnswer<unknown>>])[] = [
  ['the chat', (api, chatId) => api.get(`/v1/chats/${chatId}`)],
  ['the chat at a version', (api, chatId) => api.get(`/v1/chats/${chatId}`, { 'min-chat-version': '4' })],
  ['its messages', (api, chatId) => api.get(`/v1/chats/${chatId}/messages`)],
  ['what is unread', (api, chatId) => api.get(`/v1/chats/${chatId}/messages?around=firstUnread`)],
  ['a message', (api, chatId) => api.get(`/v1/chats/${chatId}/messages/2`)],
  ['edits of a message', (api, chatId) => api.get(`/v1/chats/${chatId}/messages/2/edits`)],
  ['its participants', (api, chatId) => api.get(`/v1/chats/${chatId}/participants`)],
  ['its changes', (api, chatId) => api.get(`/v1/chats/${chatId}/changes?since=4`)],
];

describe.each(['on', 'shadow', 'off'])('with the cache in the mode %s', (mode) => {
  beforeAll(() => service.put('/v1/admin/cache/mode', { mode }));
  const questions = mode === 'shadow' ? ['find-members', 'find-members'] : ['find-members'];

  it.each(READS)(
    'a stranger who asks for %s has the database asked whether they are in it, and nothing loaded',
    async (_what, read) => {
      for (const chatId of [await createColdChat(), randomUUID()]) {
        let status: number | undefined;
        const statements = await statementsOf(async () => ({ status } = await read(stranger, chatId)));
        expect({ status, statements }).toEqual({ status: 404, statements: questions });
      }
    },
  );

  it('a stranger who asks for the newest messages of many chats has it asked once', async () => {
    const chatIds = [await createColdChat(), await createColdChat(), randomUUID()];
    const statements = await statementsOf(async () => {
      const { body } = await stranger.post('/v1/messages/latest', { chatIds, limit: 10 });
      expect(body).toEqual({ items: [] });
    });
    expect(statements).toEqual(['find-members']);
  });
});

describe('with the cache on', () => {
  beforeAll(() => service.put('/v1/admin/cache/mode', { mode: 'on' }));

  it.each(READS)(
    'a member who is the first to ask for %s has it loaded, and is the last to have it asked',
    async (what, read) => {
      const chatId = await createColdChat();
      const status = what === 'edits of a message' ? 403 : 200;
      const first = await statementsOf(async () => expect((await read(member, chatId)).status).toBe(status));
      expect(first).toEqual(['find-members', 'load-chats']);
      const rest = await statementsOf(async () => {
        expect((await read(member, chatId)).status).toBe(status);
        expect((await read(stranger, chatId)).status).toBe(404);
      });
      expect(rest).toEqual([]);
    },
  );

  it('a service has no more asked than what it loads', async () => {
    const chatId = await createColdChat();
    const reads = running.instance.app.get(Database).counts.read;
    const statements = await statementsOf(() => service.get(`/v1/chats/${chatId}/messages`));
    expect(statements).toEqual(['load-chats']);
    expect(running.instance.app.get(Database).counts.read).toBe(reads + 1);
  });

  it('a batch has all chats that are not held asked about at once, and the member’s loaded together', async () => {
    const mine = [await createColdChat(), await createColdChat(), await createColdChat()];
    await member.get(`/v1/chats/${mine[0]!}/messages`);
    const { chatId: hidden } = await running.instance.app
      .get(ChatRepository)
      .createChat({ participants: [{ userId: 'bob' }] });
    const { read } = running.instance.app.get(Database).counts;
    const statements = await statementsOf(async () => {
      const chatIds = [mine[0], hidden, mine[1], randomUUID(), mine[2]];
      const { body } = await member.post<{ items: { chatId: string }[] }>('/v1/messages/latest', { chatIds, limit: 2 });
      expect(body.items.map(({ chatId }) => chatId)).toEqual(mine);
    });
    expect(statements).toEqual(['find-members', 'load-chats']);
    expect(running.instance.app.get(Database).counts.read).toBe(read + 2);
  });

  it('who has just been added sees it, and who has just been removed does not', async () => {
    const chatId = await createColdChat();
    expect((await stranger.get(`/v1/chats/${chatId}`)).status).toBe(404);
    await service.put(`/v1/chats/${chatId}/participants/mallory`, {});
    await service.delete(`/v1/admin/cache/chats/${chatId}`);
    expect((await stranger.get(`/v1/chats/${chatId}`)).status).toBe(200);
    await service.delete(`/v1/chats/${chatId}/participants/mallory`);
    await service.delete(`/v1/admin/cache/chats/${chatId}`);
    expect((await stranger.get(`/v1/chats/${chatId}`)).status).toBe(404);
  });
});
