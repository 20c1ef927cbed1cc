import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder with those that it is in, unless it is there.
 *
 * @throws Error that says what is in the way.
 * @remarks Step by step: below `/proc`, where nothing can be made, Node's own `recursive` never comes to an end.
 */
export async function makeFolder(path: string): Promise<void> {
  const folder = resolve(path);
  try {
    await make(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === 'EEXIST' || code === 'ENOTDIR' ? 'a file is in the way' : `the system refuses it (${code})`;
    throw new Error(`The folder ${folder} cannot be made: ${reason}.`, { cause: error });
  }
}

async function make(folder: string): Promise<void> {
  try {
    await mkdir(folder);
    return;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
  }
  await make(dirname(folder));
  await mkdir(folder);
}
