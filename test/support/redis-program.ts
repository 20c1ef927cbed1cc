import { findProgram, type FoundProgram, type ProgramSearch } from './find-program.js';

/** Where to look for a Redis server: the environment, and the programs that are looked for on PATH. */
export type RedisSearch = Pick<ProgramSearch, 'environment' | 'programs'>;

/** Both speak the same protocol and take the same arguments. */
const PROGRAMS = ['redis-server', 'valkey-server'];

/** Debian, Ubuntu and their like have the one or the other. The program is called as the package. */
const PACKAGES = PROGRAMS.map((name) => ({ name, path: `usr/bin/${name}` }));

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
export async function findRedisProgram(search: Partial<RedisSearch> = {}): Promise<FoundProgram> {
  const { environment = process.env, programs = PROGRAMS } = search;
  const found = await findProgram({ environment, programs, packages: PACKAGES, cacheFolder: 'redis' });
  if ('reasons' in found) throw new NoRedisError(found.reasons);
  return found;
}
