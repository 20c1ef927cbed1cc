import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import type { ApiAnswer } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { LoggingServer, type LoggedStatement } from './statement-log.js';

const MESSAGES = 4 * BLOCK_SIZE + 5;

/** In every message's text, so that encoding one can be told from encoding anything else. */
const MARK = 'text of a message';

let server: LoggingServer;
let running: TestInstance;
let chatIds: string[];

beforeAll(async () => {
  server = await LoggingServer.start();
  running = await startTestInstance(
    { CACHE_TAIL_MESSAGES: '20', COHERENCE_POLL_MS: '60000', STALENESS_BOUND_MS: '600000', COHERENCE_BUS: 'none' },
    server.database,
  );
  chatIds = [];
  for (let number = 0; number < 4; number++) chatIds.push(await createChat());
});
afterAll(async () => {
  await running?.close();
  await server?.stop();
});

async function createChat(): Promise<string> {
  const chats = running.instance.app.get(ChatRepository);
  const messages = running.instance.app.get(MessageRepository);
  const { chatId } = await chats.createChat({ participants: [{ userId: 'alice' }, { userId: 'bob' }] });
  const texts = Array.from({ length: MESSAGES }, (_unused, at) => `${MARK} ${at}`);
  await Promise.all(texts.map((text) => messages.createMessage({ chatId, senderId: 'alice', text })));
  await messages.react(chatId, 3, { userId: 'bob', emoji: '👍', present: true });
  await messages.deleteMessage(chatId, 5);
  await chats.markRead(chatId, 'bob', MESSAGES - 40);
  return chatId;
}

/** Every kind of read that a page of a chat application makes. */
function readsOf(chatId: string, version: number): (() => Promise<ApiAnswer<unknown>>)[] {
  const api = running.api.as('bob');
  const chat = `/v1/chats/${chatId}`;
  const paths = [
    chat,
    `${chat}/participants`,
    `${chat}/participants?limit=1`,
    `${chat}/messages`,
    `${chat}/messages?limit=200`,
    `${chat}/messages?before=${BLOCK_SIZE + 10}&limit=30`,
    `${chat}/messages?before=1`,
    `${chat}/messages?after=0&limit=100`,
    `${chat}/messages?after=${MESSAGES}`,
    `${chat}/messages?around=${2 * BLOCK_SIZE}&limit=20`,
    `${chat}/messages?around=firstUnread`,
    `${chat}/messages/3`,
    `${chat}/messages/5`,
    `${chat}/messages/${MESSAGES}`,
    `${chat}/changes?since=${version}`,
    '/v1/users/bob/chats',
    '/v1/users/alice/chats',
    '/v1/users/bob/chats?limit=2',
  ];
  return [
    ...paths.map((path) => () => api.get(path)),
    () => api.get(`${chat}/messages`, { 'min-chat-version': String(version) }),
    () => api.post('/v1/messages/latest', { chatIds, limit: 30 }),
  ];
}

async function allReads(): Promise<(() => Promise<ApiAnswer<unknown>>)[]> {
  const versions = await server.database.query<{ chat_id: string; version: string }>(
    'SELECT chat_id, version FROM chat_head',
  );
  return chatIds.flatMap((chatId) => {
    const { version } = versions.find((head) => head.chat_id === chatId)!;
    return readsOf(chatId, Number(version));
  });
}

/** Counts how often a message is encoded while `work` is done. */
async function countEncodings(work: () => Promise<void>): Promise<number> {
  const { stringify } = JSON;
  let encodings = 0;
  JSON.stringify = ((...input: Parameters<typeof stringify>) => {
    const json = stringify(...input) as string | undefined;
    if (json?.includes(MARK) === true) encodings++;
    return json;
  }) as typeof stringify;
  try {
    await work();
  } finally {
    JSON.stringify = stringify;
  }
  return encodings;
}

function isPoll({ statement }: LoggedStatement): boolean {
  return statement === 'poll-heads';
}

describe('a read of what is cached', () => {
  it('runs no SQL and encodes no message, a thousand times over, whatever is read', async () => {
    const reads = await allReads();
    for (const read of reads) expect((await read()).status).toBe(200);
    const statuses = new Map<string, number>();
    let encodings = 0;
    const statements = await server.record(async () => {
      // A look of the coherence poll in the middle: it is the one thing that may ask the database.
      await running.instance.app.get(Poller).pollOnce();
      encodings = await countEncodings(async () => {
        for (let done = 0; done < 1000; done += 20) {
          const answers = await Promise.all(
            Array.from({ length: 20 }, (_unused, at) => reads[(done + at) % reads.length]!()),
          );
          for (const { status, headers } of answers) {
            const outcome = `${status} ${headers.get('cache-status')}`;
            statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
          }
        }
      });
    });
    expect(Object.fromEntries(statuses)).toEqual({ '200 scrollback; hit': 1000 });
    expect(statements.filter(isPoll)).toHaveLength(1);
    expect(statements.filter((each) => !isPoll(each))).toEqual([]);
    expect(encodings).toBe(0);
  });

  it('that is new since then is a hit as well: a write leaves behind what readers need', async () => {
    const chatId = chatIds[0]!;
    await running.api.send(chatId, { senderId: 'alice', text: `${MARK}, the newest` });
    await running.api.as('bob').put(`/v1/chats/${chatId}/messages/3/reactions/👎`);
    await running.api.patch(`/v1/chats/${chatId}/messages/7`, { text: `${MARK}, edited` });
    await running.api.as('bob').put(`/v1/chats/${chatId}/read`, { seq: MESSAGES - 10 });
    const reads = await allReads();
    const statements = await server.record(async () => {
      for (const [at, read] of reads.entries()) {
        expect({ at, status: (await read()).headers.get('cache-status') }).toEqual({ at, status: 'scrollback; hit' });
      }
    });
    expect(statements.filter((each) => !isPoll(each))).toEqual([]);
  });
});

describe('what counts the statements and encodings', () => {
  it('sees those of a miss, of changes that are not cached, and of a write', async () => {
    const cold = await createChat();
    const { api } = running;
    let encodings = 0;
    const miss = await server.record(async () => {
      encodings = await countEncodings(async () => {
        expect((await api.get(`/v1/chats/${cold}/messages`)).headers.get('cache-status')).toBe('scrollback; fwd=miss');
      });
    });
    expect(miss).toEqual([{ application: 'scrollback', statement: 'load-chats' }]);
    expect(encodings).toBeGreaterThanOrEqual(20);
    const history = await server.record(async () => {
      expect((await api.get(`/v1/chats/${cold}/messages?before=9`)).headers.get('cache-status')).toBe(
        'scrollback; fwd=miss',
      );
    });
    expect(history).toEqual([{ application: 'scrollback', statement: 'load-messages' }]);
    const changes = await server.record(async () => {
      expect((await api.get(`/v1/chats/${cold}/changes?since=1`)).status).toBe(200);
    });
    expect(changes).toEqual([{ application: 'scrollback', statement: 'load-changes' }]);
    const write = await server.record(async () => {
      await api.send(cold, { senderId: 'alice', text: 'x' });
    });
    expect(write.map(({ statement }) => statement)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^BEGIN/), 'insert-messages', 'move-heads', 'COMMIT']),
    );
  });
});
