import { randomBytes } from 'node:crypto';
import { chown, lchown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { syncFolder, unusable } from './data-folder.js';
import type { DataFolder } from './data-folder.js';
import { EmbeddedDatabaseError } from './embedded-database-error.js';
import type { ProgramLauncher, RunLimits } from './program-launcher.js';

/** The superuser of the cluster, and the database Scrollback keeps its tables in. */
export const DATABASE_USER = 'scrollback';

/** What `initdb` says under a uid without a name, as containers are given; only creating a cluster needs one. */
const UNKNOWN_USER = 'could not look up effective user ID';

/**
 * PostgreSQL's own C.UTF-8, which sorts by code point, is the same on every system, and never changes its order under an
 * index. What still asks the C library gets C.UTF-8 too, or C where the system does not know it.
 */
const LOCALE_CHOICES = [['--locale=C.UTF-8'], ['--locale=C', '--builtin-locale=C.UTF-8']];

/**
 * Makes the cluster, in a folder beside its place that is moved there when complete: whatever ends it half way, the next
 * start finds no cluster and starts over.
 *
 * @throws {@link EmbeddedDatabaseError} `embedded_database_init_failed`, `embedded_database_account_unusable`,
 * `embedded_database_folder_unusable`, or the reason of the signal that ended it; no cluster is left.
 */
export async function initializeCluster(
  folder: DataFolder,
  launcher: ProgramLauncher,
  initdb: string,
  password: string,
  limits: RunLimits,
): Promise<void> {
  await removeUnfinishedClusters(folder);
  // A name of its own: an initdb whose starter was killed may still be writing into the previous one.
  const unfinished = `${folder.cluster}.new-${randomBytes(6).toString('hex')}`;
  const data = join(unfinished, 'data');
  const passwordFile = join(unfinished, 'password');
  try {
    await mkdir(unfinished, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
    await handOver(folder, passwordFile);
    await handOver(folder, unfinished);
    await runInitdb(launcher, initdb, data, passwordFile, limits);
    await rename(data, folder.cluster);
    await syncFolder(folder.root);
  } catch (error) {
    limits.signal?.throwIfAborted();
    throw error instanceof EmbeddedDatabaseError ? error : unusable(folder.root, error);
  } finally {
    await rm(unfinished, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
  }
}

/**
 * Checks that the existing cluster can be run: its version, and whose it is. Under root, one that belongs to root (a
 * restored copy) is handed to the database account.
 *
 * @throws {@link EmbeddedDatabaseError} `embedded_database_version_mismatch`, `embedded_database_folder_unusable`.
 */
export async function checkCluster(folder: DataFolder, serverVersion: string): Promise<void> {
  const clusterMajor = (
    await readFile(join(folder.cluster, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
      throw unusable(folder.cluster, error);
    })
  ).trim();
  const serverMajor = /PostgreSQL\) (\d+)/.exec(serverVersion)?.[1];
  if (clusterMajor !== serverMajor) {
    throw new EmbeddedDatabaseError(
      'embedded_database_version_mismatch',
      `The database in ${folder.root} was made by PostgreSQL ${clusterMajor}, this Scrollback brings ${serverMajor}. ` +
        'Export it with the Scrollback that made it (scrollback export) and import it into a new SCROLLBACK_DATA_DIR, ' +
        'or set DATABASE_URL.',
    );
  }
  const { uid } = await stat(folder.cluster);
  if (folder.account && uid === 0) await handOverTree(folder, folder.cluster);
  if (!folder.account && uid !== process.geteuid?.()) {
    throw unusable(folder.cluster, `it belongs to the user with uid ${uid}, and PostgreSQL must run as that user`);
  }
}

async function runInitdb(
  launcher: ProgramLauncher,
  initdb: string,
  data: string,
  passwordFile: string,
  limits: RunLimits,
): Promise<void> {
  const failures: string[] = [];
  for (const locale of LOCALE_CHOICES) {
    const result = await launcher.run(
      initdb,
      [
        `--pgdata=${data}`,
        `--username=${DATABASE_USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--data-checksums',
        '--encoding=UTF8',
        '--locale-provider=builtin',
        ...locale,
        '--no-instructions',
      ],
      limits,
    );
    if (result.succeeded) return;
    limits.signal?.throwIfAborted();
    failures.push(result.output.trim());
    await rm(data, { recursive: true, force: true });
  }
  const output = failures.join('\n');
  if (output.includes(UNKNOWN_USER)) {
    throw new EmbeddedDatabaseError(
      'embedded_database_account_unusable',
      `The embedded database can only be created by a user that has a name, and uid ${process.geteuid?.()} has none. ` +
        'Add the user to /etc/passwd, run Scrollback as one that is there, or set DATABASE_URL.',
    );
  }
  throw new EmbeddedDatabaseError(
    'embedded_database_init_failed',
    `The embedded database could not be created in ${data}. Check the space and the rights there, ` +
      `choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL. initdb said:\n${output}`,
  );
}

async function removeUnfinishedClusters({ root, cluster }: DataFolder): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith(`${basename(cluster)}.new-`)) continue;
    // What cannot be removed yet is in nobody's way, and removed by a later start.
    await rm(join(root, name), { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
  }
}

async function handOver({ account }: DataFolder, path: string): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}

async function handOverTree(folder: DataFolder, dir: string): Promise<void> {
  if (!folder.account) return;
  const { uid, gid } = folder.account;
  for (const entry of await readdir(dir, { recursive: true })) await lchown(join(dir, entry), uid, gid);
  await chown(dir, uid, gid);
}
