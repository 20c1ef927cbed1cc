import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeFolder } from '../../src/transfer/make-folder.js';

describe('a folder to write to', () => {
  let base: string;
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'scrollback-folder-'));
  });
  afterAll(() => rm(base, { recursive: true, force: true }));
  const isFolder = async (path: string): Promise<boolean> => (await stat(path)).isDirectory();

  it('is made with those that it is in, and may be there already', async () => {
    const deep = join(base, 'one', 'two', 'three');
    await makeFolder(deep);
    await makeFolder(deep);
    expect(await isFolder(deep)).toBe(true);
    await symlink(deep, join(base, 'link'));
    await makeFolder(join(base, 'link', 'four'));
    await makeFolder(join(base, 'link'));
    expect(await isFolder(join(deep, 'four'))).toBe(true);
    await mkdir(join(base, 'closed'));
    await chmod(join(base, 'closed'), 0o555);
    await makeFolder(join(base, 'closed'));
  });

  it('is refused at once where a file is in the way, naming the folder', async () => {
    const file = join(base, 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below'), join(file, 'far', 'below')]) {
      await expect(makeFolder(path)).rejects.toThrow(`The folder ${path} cannot be made: a file is in the way.`);
    }
  });

  it('is refused at once where nothing can be made', async () => {
    for (const path of ['/proc/x', '/proc/x/y', '/dev/null/x']) {
      await expect(makeFolder(path)).rejects.toThrow(`The folder ${path} cannot be made: `);
    }
  });
});
