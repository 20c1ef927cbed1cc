import { ScrollbackError } from '../../src/common/scrollback-error.js';
import { MessageCache } from '../../src/cache/message-cache.js';
import { parseInboxCursor } from '../../src/cache/read/inbox-cursor.js';
import type { TestInstance } from '../support/test-instance.js';

/** Everything that an instance tells of some chats and users: the answer's text by what was asked. */
export type CacheSnapshot = ReadonlyMap<string, string>;

interface Readable {
  toBuffer(): Buffer;
}

/** Where rows have vanished, changes from before cannot be told. */
function whyGone(error: unknown): 'gone' {
  if (error instanceof ScrollbackError && error.code === 'changes_gone') return 'gone';
  throw error;
}

/** Asks an instance everything that can be asked, in pages of several lengths, in both directions. */
export async function takeSnapshot(
  { instance }: TestInstance,
  chatIds: readonly string[],
  userIds: readonly string[],
): Promise<CacheSnapshot> {
  const cache = instance.app.get(MessageCache);
  const snapshot = new Map<string, string>();
  const keep = (what: string, answer: Readable | 'missing' | 'gone' | undefined): void => {
    snapshot.set(what, typeof answer === 'object' ? answer.toBuffer().toString() : String(answer));
  };
  for (const chatId of chatIds) {
    const chat = await cache.getChat(chatId);
    keep(`chat ${chatId}`, chat);
    keep(`latest of ${chatId}`, await cache.getLatest([chatId], 7));
    const { lastSeq = 0, version = 0 } = chat?.value ?? {};
    for (const limit of [1, 7, 50, 200]) {
      for (let before: number | undefined = lastSeq + 1; before > 1; before -= limit) {
        keep(`${limit} before ${before} of ${chatId}`, await cache.getMessages(chatId, { before, limit }));
      }
      for (let after = 0; after <= lastSeq; after += limit) {
        keep(`${limit} after ${after} of ${chatId}`, await cache.getMessages(chatId, { after, limit }));
        keep(
          `${limit} around ${after + 1} of ${chatId}`,
          await cache.getMessages(chatId, { around: after + 1, limit }),
        );
      }
      for (const reader of userIds) {
        const query = { around: 'firstUnread', reader, limit } as const;
        keep(`${limit} around what ${reader} has not read of ${chatId}`, await cache.getMessages(chatId, query));
      }
    }
    for (let seq = 1; seq <= lastSeq + 1; seq++)
      keep(`message ${seq} of ${chatId}`, await cache.getMessage(chatId, seq));
    for (const limit of [2, 200]) {
      let after: string | null | undefined;
      while (after !== null) {
        const participants = await cache.getParticipants(chatId, { after, limit });
        keep(`${limit} participants after ${after} of ${chatId}`, participants);
        after = participants?.value.nextAfter ?? null;
      }
    }
    for (let since = 0; since <= version; since += 5) {
      const changes = await cache.getChanges(chatId, since, 10).catch(whyGone);
      keep(`changes since ${since} of ${chatId}`, changes);
    }
    for (const viewer of userIds) keep(`${chatId} as ${viewer} sees it`, await cache.getChat(chatId, { viewer }));
  }
  for (const userId of userIds) {
    for (const limit of [2, 200]) {
      let cursor: string | null | undefined;
      while (cursor !== null) {
        const after = cursor === undefined ? undefined : parseInboxCursor(cursor, userId);
        const inbox = await cache.getUserChats(userId, { after, limit });
        keep(`${limit} chats of ${userId} behind ${cursor}`, inbox);
        cursor = inbox.value.nextCursor;
      }
    }
  }
  return snapshot;
}
