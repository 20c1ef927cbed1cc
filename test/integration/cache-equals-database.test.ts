import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ScrollbackError } from '../../src/common/scrollback-error.js';
import { MessageCache } from '../../src/cache/message-cache.js';
import { ChatRepository } from '../../src/storage/chat-repository.js';
import { PARTICIPANT_ROLES, type ParticipantRole } from '../../src/storage/entities/participant.entity.js';
import { MessageRepository } from '../../src/storage/message-repository.js';
import { COUNT_UNREAD } from '../../src/storage/statements/count-unread.js';
import type { OperationResult } from '../../src/storage/write/chat-operation.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { takeSnapshot } from './cache-snapshot.js';

/** Names, to which every history adds its number: histories share the database, but no inbox. */
const NAMES = ['alice', 'bob', 'carol', 'Ünal 🍕'];
const CHATS = [0, 1, 2] as const;

/** Refusals that a random history runs into by itself. */
const EXPECTED_REFUSALS = ['message_deleted', 'message_not_found', 'participant_not_found', 'reply_target_missing'];
EXPECTED_REFUSALS.push('read_beyond_end', 'client_id_conflict', 'last_owner', 'chat_not_found');

type Step =
  | {
      type: 'send';
      clientId?: string | undefined;
      replyTo?: number | undefined;
      kind: 'user' | 'system';
      text: string;
      metadata: boolean;
    }
  | { type: 'edit'; seq: number; text: string }
  | { type: 'delete'; seq: number }
  | { type: 'react'; seq: number; emoji: string; present: boolean }
  | { type: 'markRead'; userId: string; seq: number }
  | { type: 'join'; userId: string; role?: ParticipantRole | undefined }
  | { type: 'leave'; userId: string }
  | { type: 'update'; title: string | null }
  | { type: 'read'; userId: string };

/** Messages that every chat begins with. */
const FIRST_MESSAGES = 12;

const seq = fc.integer({ min: 1, max: 2 * FIRST_MESSAGES });
const userId = fc.constantFrom(...NAMES);
const text = fc.constantFrom('hello', 'a "quoted" \\ text', 'é🍕\u2028\n', 'x'.repeat(500), ' ');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('send' as const),
      clientId: fc.option(fc.constantFrom('k1', 'k2', 'k3'), { nil: undefined, freq: 3 }),
      replyTo: fc.option(seq, { nil: undefined, freq: 4 }),
      kind: fc.constantFrom('user', 'user', 'user', 'system'),
      text,
      metadata: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('edit' as const), seq, text }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), seq }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('react' as const),
      seq,
      emoji: fc.constantFrom('👍', '❤️', ':ok:'),
      present: fc.constantFrom(true, true, false),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('markRead' as const), userId, seq }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('join' as const),
      userId,
      role: fc.option(fc.constantFrom(...PARTICIPANT_ROLES), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('leave' as const), userId }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('update' as const), title: fc.constantFrom(null, 'A', 'B') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('read' as const), userId }) },
);

/** What one person does, one thing after the other, while the others do theirs. */
const lane = fc.record({
  actor: userId,
  steps: fc.array(fc.record({ chat: fc.constantFrom(...CHATS), step }), { minLength: 1, maxLength: 60, size: 'max' }),
  /** How many of the steps are under way at once. */
  width: fc.constantFrom(1, 1, 4, 60),
});

let history = 0;
let database: TestDatabase;
let warm: TestInstance;

beforeAll(async () => {
  database = await createTestDatabase();
  warm = await startTestInstance({ CACHE_TAIL_MESSAGES: '10' }, database);
});
afterAll(async () => {
  await warm.close();
  await database.drop();
});

function userOf(name: string): string {
  return `${name} ${history}`;
}

/** Makes three chats with some messages, held by the cache with everybody's unread counts. */
async function createChats(): Promise<string[]> {
  const chatIds: string[] = [];
  for (const chat of CHATS) {
    const participants = NAMES.slice(1, chat + 2).map((name) => ({ userId: userOf(name) }));
    const createdBy = userOf('alice');
    const { chatId } = await warm.instance.app.get(ChatRepository).createChat({ createdBy, participants });
    chatIds.push(chatId);
    for (let sent = 0; sent < FIRST_MESSAGES; sent++) {
      await warm.instance.app.get(MessageRepository).createMessage({ chatId, senderId: createdBy, text: `${sent}` });
    }
  }
  for (const name of NAMES) await warm.instance.app.get(MessageCache).getUserChats(userOf(name), { limit: 200 });
  return chatIds;
}

function run(chatId: string, actor: string, command: Step): Promise<OperationResult | undefined> {
  const messages = warm.instance.app.get(MessageRepository);
  const chats = warm.instance.app.get(ChatRepository);
  switch (command.type) {
    case 'send': {
      const { clientId, replyTo, kind, text: body } = command;
      const metadata = command.metadata ? { b: 1, a: ['ü', 1.5, null], ' ': { c: ': , ' } } : undefined;
      return messages.createMessage({ chatId, senderId: actor, text: body, clientId, replyTo, kind, metadata });
    }
    case 'edit':
      return messages.editMessage(chatId, command.seq, { text: command.text });
    case 'delete':
      return messages.deleteMessage(chatId, command.seq);
    case 'react':
      return messages.react(chatId, command.seq, { userId: actor, emoji: command.emoji, present: command.present });
    case 'markRead':
      return chats.markRead(chatId, userOf(command.userId), command.seq);
    case 'join':
      return chats.addParticipant(chatId, userOf(command.userId), command.role);
    case 'leave':
      return chats.removeParticipant(chatId, userOf(command.userId));
    case 'update':
      return chats.updateChat(chatId, { title: command.title, metadata: { at: command.title } });
    case 'read':
      return readSome(chatId, userOf(command.userId));
  }
}

async function readSome(chatId: string, reader: string): Promise<undefined> {
  const cache = warm.instance.app.get(MessageCache);
  await Promise.all([
    cache.getMessages(chatId, { limit: 5 }),
    cache.getMessages(chatId, { after: 0, limit: 5 }),
    cache.getUserChats(reader),
  ]);
}

/** Runs one person's steps. @returns the versions that they were answered with, by chat. */
async function runLane(
  chatIds: readonly string[],
  { actor, steps, width }: { actor: string; steps: readonly { chat: number; step: Step }[]; width: number },
): Promise<{ chatId: string; version: number }[]> {
  const versions: { chatId: string; version: number }[] = [];
  for (let from = 0; from < steps.length; from += width) {
    const together = steps.slice(from, from + width).map(async ({ chat, step: command }) => {
      const chatId = chatIds[chat]!;
      try {
        const result = await run(chatId, userOf(actor), command);
        if (result !== undefined) versions.push({ chatId, version: result.version });
      } catch (error) {
        if (!(error instanceof ScrollbackError)) throw error;
        expect(EXPECTED_REFUSALS).toContain(error.code);
      }
    });
    await Promise.all(together);
  }
  return versions;
}

async function expectGapless(chatId: string, versions: readonly number[]): Promise<void> {
  const [row] = await database.query<{ rows: string; seqs: string; last_seq: string; version: string }>(
    `SELECT h.last_seq, h.version, count(m.seq) AS rows, coalesce(max(m.seq), 0) AS seqs
     FROM chat_head h LEFT JOIN message m ON m.chat_id = h.chat_id WHERE h.chat_id = $1 GROUP BY h.chat_id`,
    [chatId],
  );
  expect(row).toMatchObject({ rows: row!.last_seq, seqs: row!.last_seq });
  const before = Array.from({ length: FIRST_MESSAGES + 1 }, (_unused, at) => at + 1);
  const steps = Array.from({ length: Number(row!.version) }, (_unused, at) => at + 1);
  expect([...new Set([...before, ...versions])].toSorted((one, other) => one - other)).toEqual(steps);
}

async function expectUnread(chatIds: readonly string[]): Promise<void> {
  const cache = warm.instance.app.get(MessageCache);
  for (const user of NAMES.map(userOf)) {
    const rows = await database.query<{ chat_id: string; unread: string }>(COUNT_UNREAD.text, [user, chatIds]);
    const { items } = (await cache.getUserChats(user, { limit: 200 })).value;
    const shown = items.filter(({ chat }) => chatIds.includes(chat.id)).map(({ chat, unread }) => [chat.id, unread]);
    expect(new Map(shown as [string, number][])).toEqual(new Map(rows.map((row) => [row.chat_id, Number(row.unread)])));
  }
}

describe('the cache after a random history of concurrent writes', () => {
  it('tells byte for byte what an instance tells that has only just read the database', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(lane, { minLength: 2, maxLength: 4 }), fc.boolean(), async (lanes, isRemoved) => {
        const chats = warm.instance.app.get(ChatRepository);
        history++;
        const users = NAMES.map(userOf);
        const chatIds = await createChats();
        const versions = (await Promise.all(lanes.map((each) => runLane(chatIds, each)))).flat();
        if (isRemoved) versions.push({ chatId: chatIds[2]!, version: (await chats.deleteChat(chatIds[2]!)).version });
        for (const chatId of chatIds) {
          await expectGapless(
            chatId,
            versions.filter((each) => each.chatId === chatId).map(({ version }) => version),
          );
        }
        await expectUnread(isRemoved ? chatIds.slice(0, 2) : chatIds);
        const told = await takeSnapshot(warm, chatIds, users);
        const cold = await startTestInstance({ CACHE_TAIL_MESSAGES: '10' }, database);
        try {
          const expected = await takeSnapshot(cold, chatIds, users);
          expect([...told.keys()]).toEqual([...expected.keys()]);
          for (const [what, answer] of expected) expect(`${what}: ${told.get(what)}`).toBe(`${what}: ${answer}`);
        } finally {
          await cold.close();
        }
      }),
      { numRuns: 25 },
    );
  }, 240_000);
});

describe('changes', () => {
  it('name participants in the order of the bytes of their ids, whatever plan the database has', async () => {
    const ids = ['m', 'Z', 'a', 'é', 'b', '🍕', 'ﬀ', 'k'];
    const participants = ids.map((id) => ({ userId: id }));
    const { chatId } = await warm.instance.app.get(ChatRepository).createChat({ participants });
    const changes = await warm.instance.app.get(MessageCache).getChanges(chatId, 0, 200);
    expect(changes!.value.participants.map((each) => each.userId)).toEqual(['Z', 'a', 'b', 'k', 'm', 'é', 'ﬀ', '🍕']);
  });
});
