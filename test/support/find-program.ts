import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A program that can be started. */
export interface FoundProgram {
  readonly path: string;
  /** What it needs in its environment beside what is there. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What to look for, and where. */
export interface ProgramSearch {
  /** `PATH`, `HOME` and `XDG_CACHE_HOME` are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Names of it on PATH; any of them will do. */
  readonly programs: readonly string[];
  /** Packages of distributions that have it, with the paths that it may have in them; `*` stands for one folder. */
  readonly packages: readonly { readonly name: string; readonly path: string }[];
  /** Name of the folder, in the user's cache, where packages are unpacked. */
  readonly cacheFolder: string;
}

/** Fetching lists of packages over a slow line takes its time; a hanging mirror must not hang the tests. */
const FETCH_TIMEOUT_MS = 180_000;

/**
 * Finds a program on PATH, else unpacks it from the distribution's package into a folder of the user's cache: no root,
 * nothing installed, once.
 *
 * @returns the program, or the reasons why there is none.
 */
export async function findProgram({
  environment,
  programs,
  packages,
  cacheFolder,
}: ProgramSearch): Promise<FoundProgram | { readonly reasons: readonly string[] }> {
  for (const program of programs) {
    for (const folder of (environment['PATH'] ?? '').split(delimiter).filter(Boolean)) {
      const path = join(folder, program);
      if (await isExecutable(path)) return { path, environment: {} };
    }
  }
  const cache = join(environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache'), 'scrollback');
  const unpacked = join(cache, cacheFolder);
  const reasons: string[] = [];
  for (const { name, path } of packages) {
    try {
      const kept = await programIn(unpacked, path);
      if (kept !== undefined) return kept;
      await unpack(name, cache, unpacked, environment);
      const program = await programIn(unpacked, path);
      if (program !== undefined) return program;
      reasons.push(`The package ${name} has no such program.`);
    } catch (error) {
      reasons.push(`${name}: ${reasonOf(error)}`);
    }
  }
  return { reasons };
}

/** The executable file of a path in which `*` stands for one folder; of several the last by name. */
export async function findExecutable(pattern: string): Promise<string | undefined> {
  const [before, after] = pattern.split('/*/') as [string, string?];
  if (after === undefined) return (await isExecutable(pattern)) ? pattern : undefined;
  const folders = await readdir(before).catch(() => []);
  for (const folder of folders.sort().reverse()) {
    const path = join(before, folder, after);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** Downloads a package with those that it needs and that the system lacks, and unpacks them into `target`. */
async function unpack(
  name: string,
  cache: string,
  target: string,
  environment: ProgramSearch['environment'],
): Promise<void> {
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const work = await mkdtemp(join(cache, 'unpacking-'));
  try {
    const options = { cwd: work, env: { ...environment, LC_ALL: 'C' }, timeout: FETCH_TIMEOUT_MS };
    const apt = await aptThatKnows(name, options);
    const { stdout } = await run(
      'apt-get',
      [...apt, 'install', '--simulate', '--no-install-recommends', name],
      options,
    );
    const packages = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, missing]) => missing!);
    // A package that is installed but not on PATH is not "missing" to apt-get.
    await run('apt-get', [...apt, 'download', ...new Set([name, ...packages])], options);
    const files = (await readdir(work)).filter((file) => file.endsWith('.deb'));
    for (const file of files) await run('dpkg-deb', ['-x', file, 'root'], options);
    // At once, so that nobody finds half of it; who comes second finds it done.
    await rename(join(work, 'root'), target).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The options with which apt-get knows a package: none, or lists of packages of our own where the system has none. */
async function aptThatKnows(name: string, options: { readonly cwd: string }): Promise<string[]> {
  const isKnown = async (apt: readonly string[]): Promise<boolean> =>
    run('apt-get', [...apt, 'download', '--print-uris', name], options).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') throw error;
        return false;
      },
    );
  if (await isKnown([])) return [];
  // Container images come without lists, and only root may write the system's.
  const own = [
    '-o',
    `Dir::State::lists=${join(options.cwd, 'lists')}`,
    '-o',
    `Dir::Cache=${join(options.cwd, 'cache')}`,
  ];
  for (const folder of ['lists/partial', 'cache/archives/partial']) {
    await mkdir(join(options.cwd, folder), { recursive: true });
  }
  await run('apt-get', [...own, 'update'], options);
  return own;
}

/** The program among unpacked packages, with the folders of the libraries that came along. */
async function programIn(root: string, pattern: string): Promise<FoundProgram | undefined> {
  const path = await findExecutable(join(root, pattern));
  if (path === undefined) return undefined;
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const folders = new Set(
    entries.filter((entry) => /\.so(\.\d+)*$/.test(entry.name)).map((entry) => entry.parentPath ?? entry.path),
  );
  return { path, environment: { LD_LIBRARY_PATH: [...folders].join(delimiter) } };
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function reasonOf(error: unknown): string {
  const { code, path, stderr, message } = error as { code?: unknown; path?: string; stderr?: string; message: string };
  if (code === 'ENOENT' && path !== undefined) return `${path} is not on PATH.`;
  return (stderr?.trim() || message).split('\n').at(-1)!;
}
