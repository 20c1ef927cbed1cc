import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { EmbeddedDatabaseError } from './embedded-database-error.js';

/** The unprivileged user that PostgreSQL runs as when Scrollback runs as root. */
export interface DatabaseAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The first that exists is taken; none is ever created. */
const ACCOUNT_NAMES = ['postgres', 'nobody'];

/**
 * Chooses the user to run PostgreSQL as, which refuses to run as root.
 *
 * @returns the owner of an existing cluster that is not root's, else `postgres`, else `nobody`; `undefined` when this
 * process is not root, and everything runs as its own user.
 * @throws {@link EmbeddedDatabaseError} `embedded_database_account_unusable` when root finds no such user.
 */
export async function chooseDatabaseAccount(clusterDir: string): Promise<DatabaseAccount | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const accounts = await readAccounts();
  const cluster = await stat(clusterDir).catch(() => undefined);
  if (cluster && cluster.uid !== 0) {
    const owner = accounts.find(({ uid }) => uid === cluster.uid);
    return { name: owner?.name ?? `uid ${cluster.uid}`, uid: cluster.uid, gid: cluster.gid };
  }
  for (const name of ACCOUNT_NAMES) {
    const account = accounts.find((candidate) => candidate.name === name && candidate.uid > 0);
    if (account) return account;
  }
  throw new EmbeddedDatabaseError(
    'embedded_database_account_unusable',
    `PostgreSQL refuses to run as root, and there is no user ${ACCOUNT_NAMES.join(' or ')} to run it as. ` +
      'Run Scrollback as a normal user, or set DATABASE_URL.',
  );
}

/** Tells whether an account may pass every folder above a path, going by their permission bits alone. */
export async function canReach(account: DatabaseAccount, path: string): Promise<boolean> {
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    const { uid, gid, mode } = await stat(dir);
    const search = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & search) === 0) return false;
    if (dir === dirname(dir)) return true;
  }
}

async function readAccounts(): Promise<DatabaseAccount[]> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return passwd.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}
