import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { traceOf, type Trace } from './trace.js';

/** Room for the largest trace when it is unpacked. */
const MAX_UNPACKED_BYTES = 1 << 30;

interface TraceFile {
  readonly name: string;
  readonly path: string;
  readonly keys: (unpacked: Buffer) => Iterable<number | bigint>;
}

const FILES: readonly TraceFile[] = [
  { name: 'orm-busy', path: 'cache2k/orm-busy.trace.xz', keys: readInt32 },
  { name: 'orm-night', path: 'cache2k/orm-night.trace.xz', keys: readInt32 },
  { name: 'web07', path: 'cache2k/web07.trace.xz', keys: readInt32 },
  { name: 'web12', path: 'cache2k/web12.trace.xz', keys: readInt32 },
  { name: 'corda', path: 'corda/trace_vaultservice.gz', keys: readInt64 },
];

/**
 * Looks whether a folder has the recorded traces, so that a long run does not end by what could be seen at its start.
 *
 * @throws Error that names the file that is missing.
 */
export function requireTraces(folder: string): void {
  const missing = FILES.map(({ path }) => join(folder, path)).find((file) => !existsSync(file));
  if (missing !== undefined) throw new Error(`No trace ${missing}. Name the folder of the traces with --traces DIR.`);
}

/**
 * Reads the recorded traces of a folder, one after the other.
 *
 * @throws Error when a file cannot be unpacked; it names the `xz` command if that is what is missing.
 */
export function* readTraces(folder: string): Generator<Trace> {
  for (const { name, path, keys } of FILES) {
    const file = join(folder, path);
    yield traceOf(name, keys(file.endsWith('.xz') ? unpackXz(file) : gunzipSync(readFileSync(file))));
  }
}

function unpackXz(file: string): Buffer {
  try {
    return execFileSync('xz', ['--decompress', '--stdout', file], { maxBuffer: MAX_UNPACKED_BYTES });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`The xz command is needed to read ${file}: install xz-utils (Debian), xz (Fedora, Homebrew).`, {
      cause: error,
    });
  }
}

function* readInt32(unpacked: Buffer): Iterable<number> {
  for (let at = 0; at + 4 <= unpacked.length; at += 4) yield unpacked.readInt32BE(at);
}

function* readInt64(unpacked: Buffer): Iterable<bigint> {
  for (let at = 0; at + 8 <= unpacked.length; at += 8) yield unpacked.readBigInt64BE(at);
}
