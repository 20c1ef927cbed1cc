import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { mixHash } from '../../src/cache/local/key-hash.js';
import { BLOCK_OVERHEAD_BYTES, BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { Trace } from './trace.js';

/** What a message takes on the wire beside its text. */
const FIELDS_BYTES = 200;
const PAGE_MESSAGES = 50;
/** Readers of a message, on average. */
const MEAN_READERS = 1;
/** A reader comes at once or a month later: the delay's logarithm is uniform between these. */
const MIN_DELAY_MS = 10_000;
const MAX_DELAY_MS = 30 * 86_400_000;
/** How fast readers give up scrolling back: one in k to this power gets to the k-th page. */
const SCROLL_EXPONENT = 1.5;
/** How often a reader who sees an answer goes to what it answers. */
const FOLLOW_PROBABILITY = 0.1;
const SEED = 20_040_101;
/** What the time of each community is stretched to. */
const SPAN_MS = 365 * 86_400_000;

interface Message {
  readonly chat: number;
  readonly seq: number;
  readonly bytes: number;
  readonly replyTo: number;
  atMs: number;
}

/** Somebody opens a chat; `answered` is a message that they go to, 0 for none. */
interface Visit {
  readonly chat: number;
  readonly atMs: number;
  readonly answered: number;
}

/**
 * What readers of real conversations would ask the blocks of a cache for.
 *
 * The communities are laid over each other as on one server: the time of each is stretched to one year. A message has readers
 * (their number is geometric), who open the chat after a while and are shown its latest page. They scroll back from it, one in
 * k^1.5 of them to the k-th page; who came for an answer goes to what it answers, at times. An access is
 * to one block of 64 messages, which takes the bytes of the messages that it has by then.
 *
 * @throws Error that names the file that is missing.
 */
export function readChatTrace(folder: string): Trace {
  const messages = readMessages(folder);
  const visits = visitsTo(messages, new SeededRandom(SEED));
  return new Recorder(messages).record(visits, new SeededRandom(SEED + 1));
}

function readMessages(folder: string): Message[] {
  const sources = new Map<number, string>();
  const spans = new Map<string, { first: number; last: number }>();
  for (const line of readLines(folder, 'chats.jsonl.gz')) {
    const { id, source } = JSON.parse(line) as { id: number; source: string };
    sources.set(id, source);
  }
  const messages: Message[] = [];
  for (const line of readLines(folder, 'messages.jsonl.gz')) {
    const { chat, seq, ts, text, reply_to: replyTo = 0 } = JSON.parse(line) as RawMessage;
    messages.push({ chat, seq, atMs: ts, bytes: Buffer.byteLength(JSON.stringify(text)) + FIELDS_BYTES, replyTo });
    const source = sources.get(chat)!;
    const span = spans.get(source);
    if (span === undefined) spans.set(source, { first: ts, last: ts });
    else [span.first, span.last] = [Math.min(span.first, ts), Math.max(span.last, ts)];
  }
  for (const message of messages) {
    const { first, last } = spans.get(sources.get(message.chat)!)!;
    message.atMs = ((message.atMs - first) / (last - first)) * SPAN_MS;
  }
  return messages.sort((one, other) => one.atMs - other.atMs || one.seq - other.seq);
}

interface RawMessage {
  readonly chat: number;
  readonly seq: number;
  readonly ts: number;
  readonly text: string;
  readonly reply_to?: number;
}

function* readLines(folder: string, name: string): Iterable<string> {
  const file = join(folder, name);
  if (!existsSync(file)) throw new Error(`No conversations ${file}. Name the folder of the data with --data DIR.`);
  const unpacked = gunzipSync(readFileSync(file));
  for (let from = 0, to = 0; from < unpacked.length; from = to + 1) {
    to = unpacked.indexOf(10, from);
    if (to === -1) to = unpacked.length;
    yield unpacked.toString('utf8', from, to);
  }
}

function visitsTo(messages: readonly Message[], random: SeededRandom): Visit[] {
  const visits: Visit[] = [];
  for (const { chat, atMs, replyTo } of messages) {
    while (random.next() < MEAN_READERS / (1 + MEAN_READERS)) {
      const delayMs = MIN_DELAY_MS * (MAX_DELAY_MS / MIN_DELAY_MS) ** random.next();
      visits.push({ chat, atMs: atMs + delayMs, answered: random.next() < FOLLOW_PROBABILITY ? replyTo : 0 });
    }
  }
  return visits.sort((one, other) => one.atMs - other.atMs);
}

/** Lets messages and visits happen in their order, and notes the accesses to blocks. */
class Recorder {
  readonly #lastSeqs = new Map<number, number>();
  /** By chat, then by index. */
  readonly #blockBytes = new Map<number, number[]>();
  readonly #objects = new Map<number, number[]>();
  readonly #accesses: number[] = [];
  readonly #sizes: number[] = [];
  readonly #keyHashes: number[] = [];
  readonly #objectBytes: number[] = [];

  constructor(private readonly messages: readonly Message[]) {}

  record(visits: readonly Visit[], random: SeededRandom): Trace {
    let at = 0;
    for (const visit of visits) {
      while (at < this.messages.length && this.messages[at]!.atMs <= visit.atMs) this.#send(this.messages[at++]!);
      this.#visit(visit, random);
    }
    return {
      name: 'chat',
      accesses: Uint32Array.from(this.#accesses),
      keyHashes: Int32Array.from(this.#keyHashes),
      sizes: Uint32Array.from(this.#sizes),
      workingSetBytes: this.#objectBytes.reduce((sum, bytes) => sum + bytes, 0),
    };
  }

  #send({ chat, seq, bytes }: Message): void {
    this.#lastSeqs.set(chat, Math.max(seq, this.#lastSeqs.get(chat) ?? 0));
    const blocks = listOf(this.#blockBytes, chat);
    const index = blockOf(seq);
    while (blocks.length <= index) blocks.push(BLOCK_OVERHEAD_BYTES);
    blocks[index]! += bytes;
  }

  #visit({ chat, answered }: Visit, random: SeededRandom): void {
    let to = this.#lastSeqs.get(chat)!;
    for (let page = 1; to >= 1; page++) {
      const from = Math.max(1, to - PAGE_MESSAGES + 1);
      this.#readPage(chat, from, to);
      to = from - 1;
      if (random.next() >= (page / (page + 1)) ** SCROLL_EXPONENT) break;
    }
    if (answered > 0) this.#readPage(chat, answered, answered);
  }

  #readPage(chat: number, from: number, to: number): void {
    for (let index = blockOf(to); index >= blockOf(from); index--) {
      const objects = listOf(this.#objects, chat);
      const object = (objects[index] ??= this.#keyHashes.push(mixHash(mixHash(chat) ^ index)) - 1);
      const bytes = this.#blockBytes.get(chat)![index]!;
      this.#accesses.push(object);
      this.#sizes.push(bytes);
      this.#objectBytes[object] = bytes;
    }
  }
}

function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK_SIZE);
}

function listOf(lists: Map<number, number[]>, key: number): number[] {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = []));
  return list;
}
