import { readFileSync } from 'node:fs';
import { UserEntry } from '../../src/cache/local/user-entry.js';
import type { MessageRecord } from '../../src/storage/records.js';
import { asCommitted } from '../../src/storage/write/change.js';
import { makeCache, probeChat, probeChatId, probeMessage } from './cache-probe.js';

/** What one process that holds so many chats measured. Times in microseconds, sizes in bytes. */
export interface MemoryReport {
  readonly chats: number;
  readonly encodedBytes: number;
  readonly ledgerBytes: number;
  /** What the process grew by: heap and memory outside it. */
  readonly grownBytes: number;
  readonly rssBytes: number;
  readonly fullGcMs: number;
  /** What operations cost in it; absent in the process that holds next to nothing. */
  readonly costs?: Readonly<Record<'getChat' | 'page' | 'apply' | 'inbox', Cost>>;
}

/** What an operation costs. */
export interface Cost {
  readonly microseconds: number;
  readonly allocatedBytes: number;
}

const MESSAGES = 100;
const INBOX_CHATS = 1000;
const MEMBERS = 3;
/** Times an operation is done to see what it allocates. */
const ALLOCATIONS = 50;

/** Run by `memory.bench.ts` in a process of its own: CHATS, and a file with one JSON text a line. */
const [chatsText, textsFile] = process.argv.slice(2) as [string, string];
const chats = Number(chatsText);
const texts = readFileSync(textsFile, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as string);
const gc = global.gc!;

const { state, cache, feed } = makeCache(64 * 2 ** 30);
collect();
const before = process.memoryUsage();
for (let number = 0; number < chats; number++)
  state.store.installChat(probeChat(number, messagesOf(number), usersOf(number)));
collect();
const after = process.memoryUsage();

let encodedBytes = 0;
for (let number = 0; number < chats; number++) {
  for (const block of state.store.getChat(probeChatId(number))!.blocks.values()) {
    encodedBytes += block.slice(block.firstSeq, block.endSeq).length;
  }
}
const gcTimes = Array.from({ length: 7 }, () => {
  const startedMs = performance.now();
  gc();
  return performance.now() - startedMs;
});
let at = 1;
/** The next chat, in no order. */
const next = (): number => (at = (at * 48271) % 2147483647) % chats;
const report: MemoryReport = {
  chats,
  encodedBytes,
  ledgerBytes: state.store.bytes,
  grownBytes: after.heapUsed + after.external - before.heapUsed - before.external,
  rssBytes: after.rss,
  fullGcMs: middle(gcTimes),
  ...(chats > 1 ? { costs: await measureCosts() } : {}),
};
process.stdout.write(JSON.stringify(report));

function collect(): void {
  for (let round = 0; round < 4; round++) gc();
}

function messagesOf(number: number): MessageRecord[] {
  return Array.from({ length: MESSAGES }, (_unused, index) => {
    const place = number * MESSAGES + index;
    return probeMessage(index + 1, `user-${(place * 7) % 5000}`, texts[place % texts.length]!);
  });
}

function usersOf(number: number): string[] {
  const users = Array.from({ length: MEMBERS }, (_unused, index) => `user-${(number * MEMBERS + index) % 5000}`);
  return number < INBOX_CHATS ? [...users, 'reader'] : users;
}

async function measureCosts(): Promise<Required<MemoryReport>['costs']> {
  const getChat = await costOf(100_000, (chatId) => cache.getChat(chatId));
  const page = await costOf(50_000, (chatId) => void cache.peekMessages(chatId, { limit: 50 })!.toBuffer());
  prepareInbox();
  const inbox = await costOf(500, () => cache.getUserChats('reader', { limit: 50 }));
  return { getChat, page, apply: await costOf(50_000, send), inbox };
}

/** What the commit of a message does to the cache. */
function send(chatId: string): void {
  const { lastSeq, version } = state.store.getChat(chatId)!;
  const message = { ...probeMessage(lastSeq + 1, 'user-1', texts[lastSeq % texts.length]!), version: version + 1 };
  feed.announce(
    asCommitted({
      chatId,
      changes: [{ type: 'message', cause: 'sent', version: version + 1, message, wasCountable: false }],
    }),
  );
}

/** The index of a user who is in a thousand chats, whose unread counts are known. */
function prepareInbox(): void {
  const chatIds = Array.from({ length: Math.min(chats, INBOX_CHATS) }, (_unused, number) => probeChatId(number));
  state.store.installUser(new UserEntry('reader', chatIds));
  for (const chatId of chatIds) {
    const entry = state.store.getChat(chatId)!;
    entry.setUnread(entry.members.get('reader')!, 5);
  }
}

/** Runs an operation many times on chats in no order: the middle of several slices, after one that warms up. */
async function costOf(times: number, work: (chatId: string) => unknown): Promise<Cost> {
  const slices: number[] = [];
  for (let slice = 0; slice < 6; slice++) {
    const chatIds = nextChatIds(times);
    gc();
    const startedMs = performance.now();
    for (const chatId of chatIds) {
      const result = work(chatId);
      if (result instanceof Promise) await result;
    }
    if (slice > 0) slices.push(((performance.now() - startedMs) * 1000) / times);
  }
  return { microseconds: middle(slices), allocatedBytes: await allocationOf(work) };
}

/** What an operation allocates, on the heap and outside it: so few times that the collector does not come in between. */
async function allocationOf(work: (chatId: string) => unknown): Promise<number> {
  const slices: number[] = [];
  for (let slice = 0; slice < 7; slice++) {
    const chatIds = nextChatIds(ALLOCATIONS);
    gc();
    const before = process.memoryUsage();
    for (const chatId of chatIds) {
      const result = work(chatId);
      if (result instanceof Promise) await result;
    }
    const after = process.memoryUsage();
    slices.push((after.heapUsed + after.external - before.heapUsed - before.external) / ALLOCATIONS);
  }
  return middle(slices);
}

/** Ids that nobody has hashed yet, as requests bring them. */
function nextChatIds(times: number): string[] {
  return Array.from({ length: times }, () => Buffer.from(probeChatId(next())).toString('latin1'));
}

function middle(values: number[]): number {
  return values.sort((one, other) => one - other)[values.length >> 1]!;
}
