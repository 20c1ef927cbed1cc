import { createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';

/** Lines that were read together. */
export interface LineChunk {
  readonly lines: readonly string[];
  /** Number of the first line, from 1. */
  readonly firstNumber: number;
  /** Share of the file that has been read, 0 to 1. */
  readonly progress: number;
}

/** Longest line. A file without line ends would otherwise be read into memory whole. */
const MAX_LINE_BYTES = 16 * 2 ** 20;

/** Finds a file of an import folder, plain or compressed; `undefined` if there is neither. */
export async function findDataFile(folder: string, name: string): Promise<string | undefined> {
  for (const path of [join(folder, name), join(folder, `${name}.gz`)]) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

/** Reads a file of lines, `.gz` decompressed, as it comes from the disk. Empty lines are given as they are. */
export async function* readLines(path: string): AsyncGenerator<LineChunk> {
  const { size } = await stat(path);
  const file = createReadStream(path, { highWaterMark: 2 ** 18 });
  let bytesRead = 0;
  file.on('data', (chunk) => {
    bytesRead += chunk.length;
  });
  const bytes = path.endsWith('.gz') ? file.pipe(createGunzip({ chunkSize: 2 ** 18 })) : file;
  file.on('error', (error) => bytes.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  let firstNumber = 1;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = data.lastIndexOf(0x0a);
    if (end === -1) {
      if (data.length > MAX_LINE_BYTES) throw new Error(`${path}:${firstNumber}: the line is too long`);
      rest = data;
      continue;
    }
    const lines = data.toString('utf8', 0, end).split('\n');
    rest = data.subarray(end + 1);
    yield { lines, firstNumber, progress: size === 0 ? 1 : bytesRead / size };
    firstNumber += lines.length;
  }
  if (rest.length > 0) yield { lines: [rest.toString('utf8')], firstNumber, progress: 1 };
}
