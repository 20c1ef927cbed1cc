import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { makeFolder } from './make-folder.js';
import { SeededRandom } from './seeded-random.js';
import { WORDS_BY_SCRIPT } from './words.js';

/** What to generate. */
export interface GeneratorOptions {
  readonly messages: number;
  readonly seed: number;
}

/** What was generated. */
export interface GeneratorReport {
  readonly users: number;
  readonly chats: number;
  readonly messages: number;
}

/** Shares of all messages that the ten largest chats hold in public communities' archives; together two thirds. */
const LARGEST_SHARES = [0.38, 0.08, 0.05, 0.04, 0.03, 0.025, 0.02, 0.015, 0.012, 0.008];

/** Messages per chat and per user on average, there. */
const MESSAGES_PER_CHAT = 41;
const MESSAGES_PER_USER = 25;

/** The other chats: messages are log-normal with this median. */
const SMALL_CHAT_MEDIAN = 6;
const SMALL_CHAT_SIGMA = 1.1;

/** Texts: bytes are log-normal with this median; 95 of 100 are below 576. */
const TEXT_MEDIAN_BYTES = 73;
const TEXT_SIGMA = 1.25;
const TEXT_MAX_BYTES = 12_000;

const MULTI_LINE_SHARE = 0.12;
const NON_ASCII_SHARE = 0.06;
const REPLY_SHARE = 0.1;

/** Times lie in the year 2026. */
const FIRST_TIME_MS = Date.UTC(2026, 0, 1);
const TIME_SPAN_MS = 330 * 24 * 3600 * 1000;

/** Lines written together. */
const LINES_PER_WRITE = 2000;

/**
 * Writes a folder in the import format, with the shape of real conversations: few huge chats and many small ones, texts
 * from a word to pages, several scripts, replies, people who write a lot and many who write once. The same options give
 * the same bytes.
 *
 * @remarks O(messages) in time and memory.
 */
export async function generateConversations(folder: string, options: GeneratorOptions): Promise<GeneratorReport> {
  await makeFolder(folder);
  const random = new SeededRandom(options.seed);
  const users = Math.max(5, Math.round(options.messages / MESSAGES_PER_USER));
  const sizes = chatSizes(options.messages, random);
  const starts = sizes.map(() => FIRST_TIME_MS + random.integer(TIME_SPAN_MS / 2));
  await writeLines(join(folder, 'users.jsonl'), userLines(users));
  await writeLines(join(folder, 'chats.jsonl'), chatLines(sizes, starts));
  await writeLines(join(folder, 'messages.jsonl'), messageLines(sizes, starts, users, random));
  return { users, chats: sizes.length, messages: options.messages };
}

/** How many messages each chat has, largest first. */
function chatSizes(messages: number, random: SeededRandom): number[] {
  const sizes = LARGEST_SHARES.map((share) => Math.floor(messages * share)).filter((size) => size > 0);
  let left = messages - sizes.reduce((sum, size) => sum + size, 0);
  const smallChats = Math.max(1, Math.round(messages / MESSAGES_PER_CHAT) - sizes.length);
  for (let chat = 1; left > 0; chat++) {
    const drawn = Math.max(1, Math.round(random.logNormal(SMALL_CHAT_MEDIAN, SMALL_CHAT_SIGMA)));
    // The drawn sizes need not add up: the last chats share what is left.
    const size = Math.min(left, chat < smallChats ? drawn : Math.max(drawn, Math.ceil(left / 20)));
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

function* userLines(users: number): Generator<object> {
  for (let user = 1; user <= users; user++) yield { id: `user-${user}`, name: `User ${user}` };
}

function* chatLines(sizes: readonly number[], starts: readonly number[]): Generator<object> {
  for (let chat = 0; chat < sizes.length; chat++) {
    const kind = chat < LARGEST_SHARES.length ? 'channel' : 'group';
    yield { id: `chat-${chat + 1}`, title: `${kind} ${chat + 1}`, kind, created_at: starts[chat] };
  }
}

function* messageLines(
  sizes: readonly number[],
  starts: readonly number[],
  users: number,
  random: SeededRandom,
): Generator<object> {
  const slots = sizes.flatMap((size, chat) =>
    Array.from({ length: size }, () => ({ chat, timeMs: starts[chat]! + random.integer(TIME_SPAN_MS / 2) })),
  );
  slots.sort((one, other) => one.timeMs - other.timeMs || one.chat - other.chat);
  const lastSeqs = sizes.map(() => 0);
  for (const { chat, timeMs } of slots) {
    const seq = ++lastSeqs[chat]!;
    const members = Math.min(users, Math.max(2, Math.round(sizes[chat]! ** 0.7)));
    const writer = Math.floor(members * random.next() ** 3);
    yield {
      chat: `chat-${chat + 1}`,
      seq,
      user: `user-${((chat * 7919 + writer) % users) + 1}`,
      ts: timeMs,
      text: text(random),
      ...(seq > 1 && random.next() < REPLY_SHARE ? { reply_to: Math.max(1, seq - 1 - random.integer(20)) } : {}),
    };
  }
}

function text(random: SeededRandom): string {
  const bytes = Math.min(TEXT_MAX_BYTES, Math.max(1, random.logNormal(TEXT_MEDIAN_BYTES, TEXT_SIGMA)));
  const scripts = WORDS_BY_SCRIPT.length;
  const words = WORDS_BY_SCRIPT[random.next() < NON_ASCII_SHARE ? 1 + random.integer(scripts - 1) : 0]!;
  const isMultiLine = random.next() < MULTI_LINE_SHARE;
  let result = random.pick(words);
  let length = Buffer.byteLength(result);
  while (length < bytes) {
    const word = random.pick(words);
    result += (isMultiLine && random.next() < 0.08 ? '\n' : ' ') + word;
    length += 1 + Buffer.byteLength(word);
  }
  return result;
}

async function writeLines(path: string, rows: Iterable<object>): Promise<void> {
  function* texts(): Generator<string> {
    let lines: string[] = [];
    for (const row of rows) {
      if (lines.push(JSON.stringify(row)) < LINES_PER_WRITE) continue;
      yield `${lines.join('\n')}\n`;
      lines = [];
    }
    if (lines.length > 0) yield `${lines.join('\n')}\n`;
  }
  await pipeline(Readable.from(texts()), createWriteStream(path));
}
