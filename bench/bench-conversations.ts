import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { uuidV5 } from '../src/common/uuid.js';
import { generateConversations } from '../src/transfer/generator.js';
import { findDataFile, readLines } from '../src/transfer/line-reader.js';

/** The size of what is cut. */
export interface Cut {
  readonly chats: number;
  readonly messagesPerChat: number;
}

interface Line {
  readonly chat: string | number;
  readonly user: string | number;
  readonly ts: number;
  readonly text: string;
}

/** Enough for more than a thousand runs of a hundred messages. */
const GENERATED_MESSAGES = 200_000;

/** Any UUID: a namespace for the ids of the chats that are cut. */
const NAMESPACE = '6f2c1a52-6d0b-4c7e-9d39-5b7a2f1c8e04';

/**
 * Writes a folder in the import format with chats that all have the same number of messages: runs of consecutive messages
 * of the conversations in `source`, taken evenly from all that there are, so that texts are as long and as mixed as
 * there. Runs are taken again when there are too few. Without a source the conversations are made up.
 *
 * @returns the ids of the chats.
 */
export async function cutConversations(source: string | undefined, target: string, cut: Cut): Promise<string[]> {
  const runs = await readRuns(source, cut.messagesPerChat);
  if (runs.length === 0) throw new Error(`No conversation has ${cut.messagesPerChat} messages.`);
  const chats = Array.from({ length: cut.chats }, (_, index) => ({
    chatId: uuidV5(NAMESPACE, String(index)),
    lines: runs[Math.floor((index * Math.max(1, runs.length / cut.chats)) % runs.length)]!,
  }));
  const users = new Set(runs.flatMap((run) => run.map(({ user }) => String(user))));
  await mkdir(target, { recursive: true });
  await writeLines(
    join(target, 'users.jsonl'),
    [...users].map((id) => ({ id, name: id })),
  );
  await writeLines(
    join(target, 'chats.jsonl'),
    chats.map(({ chatId, lines }, index) => ({
      id: chatId,
      title: `Chat ${index + 1}`,
      kind: 'group',
      created_at: lines[0]!.ts,
    })),
  );
  await writeLines(
    join(target, 'messages.jsonl'),
    chats.flatMap(({ chatId, lines }) =>
      lines.map(({ user, ts, text }, index) => ({ chat: chatId, seq: index + 1, user, ts, text })),
    ),
  );
  return chats.map(({ chatId }) => chatId);
}

/** Every run of so many consecutive messages of one chat, in the order of the file. */
async function readRuns(source: string | undefined, length: number): Promise<Line[][]> {
  if (source === undefined) {
    const made = await mkdtemp(join(tmpdir(), 'scrollback-made-'));
    try {
      await generateConversations(made, { messages: GENERATED_MESSAGES, seed: 1 });
      return await readRuns(made, length);
    } finally {
      await rm(made, { recursive: true, force: true });
    }
  }
  const path = await findDataFile(source, 'messages.jsonl');
  if (path === undefined) throw new Error(`There is no messages.jsonl in ${source}.`);
  const runs: Line[][] = [];
  const begun = new Map<string | number, Line[]>();
  for await (const { lines } of readLines(path)) {
    for (const line of lines) {
      if (line === '') continue;
      const message = JSON.parse(line) as Line;
      const run = begun.get(message.chat) ?? [];
      begun.set(message.chat, run);
      if (run.push(message) < length) continue;
      runs.push(run);
      begun.delete(message.chat);
    }
  }
  return runs;
}

async function writeLines(path: string, rows: readonly object[]): Promise<void> {
  function* texts(): Generator<string> {
    for (const row of rows) yield `${JSON.stringify(row)}\n`;
  }
  await pipeline(Readable.from(texts()), createWriteStream(path));
}
