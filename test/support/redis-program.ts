import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A Redis server that can be started. */
export interface RedisProgram {
  readonly path: string;
  /** What it needs in its environment beside what is there. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Where to look. */
export interface RedisSearch {
  /** `PATH`, `HOME` and `XDG_CACHE_HOME` are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Programs that are looked for on PATH, before the distribution's packages. */
  readonly programs: readonly string[];
}

/** Both speak the same protocol and take the same arguments. */
const PROGRAMS = ['redis-server', 'valkey-server'];

/** Debian, Ubuntu and their like have the one or the other. The program is called as the package. */
const PACKAGES = ['redis-server', 'valkey-server'];

/** Fetching lists of packages over a slow line takes its time; a hanging mirror must not hang the tests. */
const FETCH_TIMEOUT_MS = 180_000;

/** No Redis server is here, and none could be brought up. The message says what to do. */
export class NoRedisError extends Error {
  override readonly name = 'NoRedisError';

  constructor(reasons: readonly string[]) {
    super(
      'There is no Redis server for the tests. Do one of these: set REDIS_URL to one that they may use; put redis-server or ' +
        'valkey-server on PATH (apt-get install redis-server, dnf install valkey, brew install redis); or make apt-get ' +
        `work, so that it can be unpacked from the distribution's package. ${reasons.join(' ')}`,
    );
  }
}

/**
 * Finds a Redis server: on PATH, else unpacked from the distribution's package into the user's cache folder, which needs
 * neither root nor an installation. The unpacked one is kept for the next time.
 *
 * @throws NoRedisError when there is none; nothing half unpacked stays behind.
 */
export async function findRedisProgram(search: Partial<RedisSearch> = {}): Promise<RedisProgram> {
  const { environment = process.env, programs = PROGRAMS } = search;
  for (const program of programs) {
    for (const folder of (environment['PATH'] ?? '').split(delimiter).filter(Boolean)) {
      const path = join(folder, program);
      if (await isExecutable(path)) return { path, environment: {} };
    }
  }
  const cache = join(environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache'), 'scrollback');
  const unpacked = join(cache, 'redis');
  const reasons: string[] = [];
  for (const name of PACKAGES) {
    try {
      const kept = await programIn(unpacked, name);
      if (kept !== undefined) return kept;
      await unpack(name, cache, unpacked, environment);
      const program = await programIn(unpacked, name);
      if (program !== undefined) return program;
      reasons.push(`The package ${name} has no such program.`);
    } catch (error) {
      reasons.push(`${name}: ${reasonOf(error)}`);
    }
  }
  throw new NoRedisError(reasons);
}

/** Downloads a package with those that it needs and that the system lacks, and unpacks them into `target`. */
async function unpack(
  name: string,
  cache: string,
  target: string,
  environment: RedisSearch['environment'],
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
async function programIn(root: string, name: string): Promise<RedisProgram | undefined> {
  const path = join(root, 'usr/bin', name);
  if (!(await isExecutable(path))) return undefined;
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
