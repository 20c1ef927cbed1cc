import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';

/** Lines that were read together. */
export interface LineChunk {
  readonly lines: readonly string[];
  /** Indexes of the lines that are not UTF-8, if there are any: in their texts the bytes that cannot be read are U+FFFD. */
  readonly broken?: ReadonlySet<number>;
  /** Number of the first line, from 1. */
  readonly firstNumber: number;
  /** Share of the file that has been read, 0 to 1. */
  readonly progress: number;
}

/** Longest line. A file without line ends would otherwise be read into memory whole. */
const MAX_LINE_BYTES = 16 * 2 ** 20;

const BYTE_ORDER_MARK = '\ufeff';

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

/**
 * Reads a file of lines, `.gz` decompressed, as it comes from the disk. Empty lines are given as they are, a byte order mark at the start
 * is stepped over.
 */
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
    const read = decodeLines(data.subarray(0, end), firstNumber === 1);
    rest = data.subarray(end + 1);
    yield { ...read, firstNumber, progress: size === 0 ? 1 : bytesRead / size };
    firstNumber += read.lines.length;
  }
  if (rest.length > 0) yield { ...decodeLines(rest, firstNumber === 1), firstNumber, progress: 1 };
}

/** Decodes whole lines. They are looked through one by one only where together they are not UTF-8. */
function decodeLines(bytes: Buffer, isStart: boolean): Pick<LineChunk, 'lines' | 'broken'> {
  const lines = bytes.toString('utf8').split('\n');
  if (isStart && lines[0]!.startsWith(BYTE_ORDER_MARK)) lines[0] = lines[0]!.slice(1);
  if (isUtf8(bytes)) return { lines };
  const broken = new Set<number>();
  for (let index = 0, at = 0; index < lines.length; index++) {
    const end = bytes.indexOf(0x0a, at);
    if (!isUtf8(bytes.subarray(at, end === -1 ? bytes.length : end))) broken.add(index);
    at = end + 1;
  }
  return { lines, broken };
}
