import type { WireMessage, WirePage } from '../../src/cache/wire-types.js';
import { ChatIdMapper, parseChatLine, parseMessageLine } from '../../src/transfer/parse-lines.js';
import { findDataFile, readLines } from '../../src/transfer/line-reader.js';
import type { MessageLine } from '../../src/storage/transfer-records.js';
import type { ApiClient } from './api-client.js';

/** What a check has looked at. */
export interface RoundTripReport {
  readonly chats: number;
  readonly messages: number;
  readonly pages: number;
}

/** Requests in flight at once. */
const PARALLEL_CHATS = 8;

/** Messages of a folder in the import format, by chat, ascending by seq. */
export async function readConversations(folder: string): Promise<Map<string, MessageLine[]>> {
  const ids = new ChatIdMapper();
  const chats = new Map<string, MessageLine[]>();
  for await (const { lines } of readLines(await requireFile(folder, 'chats.jsonl'))) {
    for (const line of lines) if (line !== '') chats.set(parseChatLine(line, ids, 0).chatId, []);
  }
  for await (const { lines } of readLines(await requireFile(folder, 'messages.jsonl'))) {
    for (const line of lines) {
      if (line === '') continue;
      const message = parseMessageLine(line, ids, () => 1);
      chats.get(message.chatId)!.push(message);
    }
  }
  return chats;
}

/**
 * Reads every chat of an import back through the API, from the newest message to the oldest and from the oldest to the
 * newest, and compares every message with the line it came from.
 *
 * @throws Error naming the first chat and seq that is missing, doubled or different.
 */
export async function checkRoundTrip(
  conversations: ReadonlyMap<string, readonly MessageLine[]>,
  api: ApiClient,
  onChat: (chats: number) => void = () => undefined,
): Promise<RoundTripReport> {
  const queue = [...conversations];
  let chats = 0;
  let messages = 0;
  let pages = 0;
  const worker = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [chatId, lines] = next;
      for (const direction of ['backward', 'forward'] as const) {
        const read = await walk(api, chatId, direction, lines.length);
        compare(chatId, lines, read.messages);
        pages += read.pages;
      }
      chats++;
      messages += lines.length;
      onChat(chats);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_CHATS }, worker));
  return { chats, messages, pages };
}

async function walk(
  api: ApiClient,
  chatId: string,
  direction: 'backward' | 'forward',
  expected: number,
): Promise<{ messages: WireMessage[]; pages: number }> {
  const parts: (readonly WireMessage[])[] = [];
  let place = direction === 'forward' ? 'after=0' : '';
  for (let pages = 1; ; pages++) {
    if (pages > expected + 1) throw new Error(`${chatId}: paging ${direction} does not end`);
    const page: WirePage = await api.page(chatId, `?limit=200&${place}`.replace(/&$/, ''));
    parts.push(page.items);
    if (direction === 'forward' ? !page.hasNewer : !page.hasOlder) {
      return { messages: (direction === 'forward' ? parts : parts.reverse()).flat(), pages };
    }
    place = direction === 'forward' ? `after=${page.items.at(-1)!.seq}` : `before=${page.items[0]!.seq}`;
  }
}

function compare(chatId: string, lines: readonly MessageLine[], read: readonly WireMessage[]): void {
  if (read.length !== lines.length)
    throw new Error(`${chatId}: ${read.length} messages read, ${lines.length} imported`);
  lines.forEach((line, index) => {
    const message = read[index]!;
    const isSame =
      message.seq === index + 1 &&
      message.senderId === line.senderId &&
      (line.text === null ? message.deleted === true : message.text === line.text) &&
      Date.parse(message.createdAt) === line.createdAtMs &&
      (message.replyTo ?? null) === (line.deletedAtMs === null ? line.replyTo : null) &&
      JSON.stringify(sorted(message.metadata)) === JSON.stringify(sorted(JSON.parse(line.metadataJson ?? '{}')));
    if (!isSame)
      throw new Error(`${chatId} seq ${index + 1}: read ${JSON.stringify(message)}, imported ${JSON.stringify(line)}`);
  });
}

function sorted(metadata: object | undefined): [string, unknown][] {
  return Object.entries(metadata ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
}

async function requireFile(folder: string, name: string): Promise<string> {
  const path = await findDataFile(folder, name);
  if (path === undefined) throw new Error(`${folder} has no ${name}`);
  return path;
}
