import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { generateConversations } from '../../src/transfer/generator.js';

/** Where the real conversations are when the project is checked out beside them. */
const REAL = resolve('../shared/data/small');

/** Messages that are made up where there are no real ones: as many as `small/` has. */
const GENERATED_MESSAGES = 28_000;

/**
 * A folder of conversations in the import format: the real ones where they are beside the project, else made-up ones of
 * the same shape. Says which.
 */
export async function conversationsFolder(): Promise<string> {
  if (existsSync(join(REAL, 'messages.jsonl.gz'))) return REAL;
  process.stderr.write('The real conversations are not here: testing with made-up ones of the same shape.\n');
  const folder = await mkdtemp(join(tmpdir(), 'scrollback-conversations-'));
  await generateConversations(folder, { messages: GENERATED_MESSAGES, seed: 1 });
  return folder;
}
