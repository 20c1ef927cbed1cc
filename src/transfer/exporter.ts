import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Database } from '../storage/database.js';
import { ExportRepository } from '../storage/export-repository.js';
import { formatChatLine, formatMessageLine, formatUserLine } from './format-lines.js';
import { makeFolder } from './make-folder.js';

/** What an export came to. */
export interface ExportReport {
  readonly users: number;
  readonly chats: number;
  readonly messages: number;
}

/** Told how an export goes. */
export type ExportListener = (file: string, rows: number) => void;

/**
 * Writes everything into a folder in the import format, as one snapshot of the database has it. Equal content gives
 * equal bytes.
 *
 * @remarks Deleted chats and what edits replaced are not written.
 */
export function exportTo(
  folder: string,
  database: Database,
  { isCompressed = false, onProgress }: { readonly isCompressed?: boolean; readonly onProgress?: ExportListener } = {},
): Promise<ExportReport> {
  return database.snapshot(async (transaction) => {
    await makeFolder(folder);
    const repository = new ExportRepository(transaction);
    const write = <T>(name: string, pages: AsyncIterable<T[]>, format: (row: T) => string): Promise<number> =>
      writeFile(join(folder, isCompressed ? `${name}.gz` : name), pages, format, (rows) => onProgress?.(name, rows));
    return {
      users: await write('users.jsonl', repository.users(), formatUserLine),
      chats: await write('chats.jsonl', repository.chats(), formatChatLine),
      messages: await write('messages.jsonl', repository.messages(), formatMessageLine),
    };
  });
}

async function writeFile<T>(
  path: string,
  pages: AsyncIterable<T[]>,
  format: (row: T) => string,
  onProgress: (rows: number) => void,
): Promise<number> {
  let count = 0;
  async function* texts(): AsyncGenerator<string> {
    for await (const rows of pages) {
      count += rows.length;
      onProgress(count);
      yield `${rows.map(format).join('\n')}\n`;
    }
  }
  const file = createWriteStream(path);
  if (path.endsWith('.gz')) await pipeline(Readable.from(texts()), createGzip(), file);
  else await pipeline(Readable.from(texts()), file);
  return count;
}
