import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateConversations } from '../src/transfer/generator.js';
import { findDataFile, readLines } from '../src/transfer/line-reader.js';

const GENERATED_MESSAGES = 100_000;

/**
 * Texts taken evenly from the messages of a folder in the import format, in their order; without a folder, from made-up ones.
 *
 * @param count - at most so many, and nearly so many if there are.
 */
export async function sampleTexts(source: string | undefined, count: number): Promise<string[]> {
  if (source === undefined) {
    const made = await mkdtemp(join(tmpdir(), 'scrollback-made-'));
    try {
      await generateConversations(made, { messages: GENERATED_MESSAGES, seed: 1 });
      return await sampleTexts(made, count);
    } finally {
      await rm(made, { recursive: true, force: true });
    }
  }
  const path = await findDataFile(source, 'messages.jsonl');
  if (path === undefined) throw new Error(`There is no messages.jsonl in ${source}.`);
  // Every second one of what is kept goes when there is too much, and from then on half as many are taken.
  let kept: string[] = [];
  let step = 1;
  for await (const { lines, firstNumber } of readLines(path)) {
    for (const [at, line] of lines.entries()) {
      if (line === '' || (firstNumber + at) % step !== 0) continue;
      kept.push(line);
      if (kept.length < 8 * count) continue;
      kept = kept.filter((_line, place) => place % 2 === 1);
      step *= 2;
    }
  }
  const texts = kept.map((line) => (JSON.parse(line) as { readonly text: string }).text);
  const stride = Math.max(1, texts.length / count);
  return Array.from({ length: Math.min(count, texts.length) }, (_unused, at) => texts[Math.floor(at * stride)]!);
}
