import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, lchown, lstat, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { chooseDatabaseAccount } from './database-account.js';
import type { DatabaseAccount } from './database-account.js';
import { EmbeddedDatabaseError } from './embedded-database-error.js';

/** PostgreSQL's number for the one socket it listens on; it is part of the socket's file name. */
export const SOCKET_PORT = 5432;

/** A socket's address holds 108 bytes on Linux and 104 on macOS; a longer one is refused at bind. */
const MAX_SOCKET_PATH_BYTES = 100;

/** The data folder and what is in it, as absolute real paths. */
export interface DataFolder {
  readonly root: string;
  /** PostgreSQL's own data directory; it exists once it is complete. */
  readonly cluster: string;
  readonly passwordFile: string;
  readonly logFile: string;
  readonly socketDir: string;
  /** What every process of this cluster carries in its title. */
  readonly clusterName: string;
  /** Who runs PostgreSQL here; `undefined`: this process' own user. */
  readonly account: DatabaseAccount | undefined;
}

/**
 * Opens a data folder, creating it if it is missing: for this user only, and under root passable for the user that
 * PostgreSQL runs as.
 *
 * @throws {@link EmbeddedDatabaseError} `embedded_database_folder_unusable`, `embedded_database_account_unusable`.
 */
export async function openDataFolder(dataDir: string): Promise<DataFolder> {
  const path = resolve(dataDir);
  try {
    await mkdir(dirname(path), { recursive: true });
    const created = await mkdir(path, { mode: 0o700 }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return false;
      },
    );
    const root = await realpath(path);
    const cluster = join(root, 'cluster');
    const account = await chooseDatabaseAccount(cluster);
    if (created && account) await letPass(root, account);
    const hash = createHash('sha256').update(root).digest('hex').slice(0, 16);
    return {
      root,
      cluster,
      passwordFile: join(root, 'password'),
      logFile: join(root, 'postgres.log'),
      socketDir: chooseSocketDir(root, hash),
      clusterName: `scrollback-${hash}`,
      account,
    };
  } catch (error) {
    throw error instanceof EmbeddedDatabaseError ? error : unusable(path, error);
  }
}

/** The socket file that PostgreSQL makes in the socket folder. */
export function socketPath(folder: DataFolder): string {
  return join(folder.socketDir, `.s.PGSQL.${SOCKET_PORT}`);
}

/**
 * Makes the socket folder, without what a crashed run left in it: PostgreSQL refuses to start when the pid in its
 * `.lock` file has been reused by another program. Only for when no postmaster of this cluster runs.
 */
export async function makeSocketDir({ socketDir, account }: DataFolder): Promise<void> {
  try {
    await mkdir(socketDir, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await refuseForeignFolder(socketDir, account);
    if (account) await lchown(socketDir, account.uid, account.gid);
    await rm(join(socketDir, `.s.PGSQL.${SOCKET_PORT}`), { force: true });
    await rm(join(socketDir, `.s.PGSQL.${SOCKET_PORT}.lock`), { force: true });
  } catch (error) {
    throw error instanceof EmbeddedDatabaseError ? error : unusable(socketDir, error);
  }
}

/**
 * Reads the password of the database, having made one when there is no cluster yet.
 *
 * @throws {@link EmbeddedDatabaseError} `embedded_database_password_lost` when a cluster has none.
 */
export async function readPassword(folder: DataFolder, clusterExists: boolean): Promise<string> {
  const stored = await readFile(folder.passwordFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw unusable(folder.passwordFile, error);
    return '';
  });
  if (stored.trim() !== '') return stored.trim();
  if (clusterExists) {
    throw new EmbeddedDatabaseError(
      'embedded_database_password_lost',
      `The database in ${folder.root} has lost its password file ${folder.passwordFile}. ` +
        'Put it back, choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL.',
    );
  }
  const password = randomBytes(24).toString('base64url');
  await writeDurably(folder.passwordFile, `${password}\n`);
  return password;
}

/** Tells whether a path exists. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const dir = await open(path, 'r');
  await dir.sync().finally(() => dir.close());
}

/** The error for a file or folder that cannot be used. */
export function unusable(path: string, cause: unknown): EmbeddedDatabaseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EmbeddedDatabaseError(
    'embedded_database_folder_unusable',
    `The embedded database cannot use ${path}: ${reason}. Make it accessible to this user, ` +
      'choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL.',
    { cause },
  );
}

function chooseSocketDir(root: string, hash: string): string {
  const inside = join(root, 'run');
  const bytes = Buffer.byteLength(join(inside, `.s.PGSQL.${SOCKET_PORT}`));
  return bytes <= MAX_SOCKET_PATH_BYTES ? inside : join(tmpdir(), `scrollback-${hash}`);
}

/** Best effort: root without the right to do this may not switch users either, and that error says more. */
async function letPass(root: string, account: DatabaseAccount): Promise<void> {
  await chown(root, 0, account.gid).then(
    async () => chmod(root, 0o710),
    () => undefined,
  );
}

/** Below /tmp anyone may make a folder of this name beforehand, and then stand between us and PostgreSQL. */
async function refuseForeignFolder(path: string, account: DatabaseAccount | undefined): Promise<void> {
  const { uid, mode } = await lstat(path).then((found) => (found.isDirectory() ? found : { uid: -1, mode: 0 }));
  const isOurs = uid === process.geteuid?.() || uid === account?.uid;
  if (!isOurs || (mode & 0o077) !== 0) throw unusable(path, 'it belongs to another user, or others may enter it');
}

async function writeDurably(path: string, content: string): Promise<void> {
  const unfinished = `${path}.new`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncFolder(dirname(path));
}
