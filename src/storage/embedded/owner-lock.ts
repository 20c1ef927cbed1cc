/**
 * Who owns a data folder.
 *
 * A lock file that every process fights over cannot be taken over safely without `flock`: between seeing that its owner
 * is dead and removing it, somebody else may have taken it over already, and the removal would hit the new owner. So
 * every process has a file of its own, `owner-<pid>-<start>.lock`, whose name is never used twice:
 *
 * 1. create the own file (exclusively, empty), **then** list the folder;
 * 2. files of processes that no longer run are removed, which is always right since their names are never used again;
 * 3. no other file is left: write into the own file, which makes it an owner's;
 * 4. another file is written: its process owns the folder, give up;
 * 5. another file is still empty: two start at once. The later of them in order of pid steps back, the other looks again.
 *
 * Two owners are impossible: each would have listed before the other created its file, yet both created before they
 * listed. Listing before creating breaks this.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { unusable } from './data-folder.js';
import { EmbeddedDatabaseError } from './embedded-database-error.js';
import { EmbeddedDatabaseInUseError } from './embedded-database-in-use-error.js';
import { readProcessStart } from './process-table.js';

/** Too low: the winner of two simultaneous starts is refused. Too high: a start waits long on a starter that hangs. */
const CONTENTION_TIMEOUT_MS = 5_000;
const CONTENTION_PAUSE_MS = 15;

interface Claim {
  readonly pid: number;
  readonly path: string;
  readonly owns: boolean;
}

/** The ownership of one data folder by this process, until released. */
export class OwnerLock {
  private constructor(private readonly path: string) {}

  /**
   * Takes the ownership of an existing folder.
   *
   * @throws {@link EmbeddedDatabaseInUseError} when a live process owns it, this one included.
   * @throws {@link EmbeddedDatabaseError} `embedded_database_folder_unusable` when nothing can be written there.
   */
  static async acquire(dataDir: string): Promise<OwnerLock> {
    const start = (await readProcessStart(process.pid)) ?? 'unknown';
    const path = join(dataDir, `owner-${process.pid}-${start}.lock`);
    const deadlineMs = performance.now() + CONTENTION_TIMEOUT_MS;

    let claimed: boolean = await createClaim(path, dataDir);
    try {
      for (;;) {
        const others = await listOtherClaims(dataDir, path);
        if (others.length === 0) break;
        const owner = others.find(({ owns }) => owns);
        if (owner || performance.now() >= deadlineMs) {
          throw new EmbeddedDatabaseInUseError(dataDir, (owner ?? others[0])?.pid);
        }
        if (others.some(({ pid }) => pid < process.pid)) {
          await rm(path, { force: true });
          claimed = false;
          await sleep(CONTENTION_PAUSE_MS);
          claimed = await createClaim(path, dataDir);
        } else {
          await sleep(CONTENTION_PAUSE_MS);
        }
      }
      await writeFile(path, JSON.stringify({ pid: process.pid, start, host: hostname() }));
    } catch (error) {
      // Not claimed: the file is there again because another start within this process made it.
      if (claimed) await rm(path, { force: true });
      throw error instanceof EmbeddedDatabaseError ? error : unusable(dataDir, error);
    }
    return new OwnerLock(path);
  }

  /** Gives the ownership up. Repeating it does nothing. */
  async release(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

async function createClaim(path: string, dataDir: string): Promise<true> {
  try {
    await writeFile(path, '', { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(dataDir, error);
    throw new EmbeddedDatabaseInUseError(dataDir, process.pid);
  }
}

async function listOtherClaims(dataDir: string, ownPath: string): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const name of await readdir(dataDir)) {
    const match = /^owner-(\d+)-([0-9a-z]+)\.lock$/.exec(name);
    const path = join(dataDir, name);
    if (!match || path === ownPath) continue;
    const pid = Number(match[1]);
    if ((await readProcessStart(pid)) === match[2]) {
      const content = await readFile(path, 'utf8').catch(() => '');
      claims.push({ pid, path, owns: content !== '' });
    } else {
      await rm(path, { force: true });
    }
  }
  return claims;
}
