import { delimiter } from 'node:path';
import { findProgram, type FoundProgram, type ProgramSearch } from './find-program.js';

/** Where to look for nginx: the environment, and the programs that are looked for on PATH. */
export type NginxSearch = Pick<ProgramSearch, 'environment' | 'programs'>;

/** Where systems keep it, often not on the PATH of people who are not root. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

/** Debian has the program in the first; Ubuntu in the second, which the first brings along. */
const PACKAGES = ['nginx', 'nginx-core'].map((name) => ({ name, path: 'usr/sbin/nginx' }));

/** No nginx is here, and none could be brought up. The message says what to do. */
export class NoNginxError extends Error {
  override readonly name = 'NoNginxError';

  constructor(reasons: readonly string[]) {
    super(
      'There is no nginx to put in front of the instances. Do one of these: put nginx on PATH (apt-get install nginx, ' +
        'dnf install nginx, brew install nginx); or make apt-get work, so that it can be unpacked from the ' +
        `distribution's package. ${reasons.join(' ')}`,
    );
  }
}

/**
 * Finds nginx: on PATH and where systems keep it, else unpacked from the distribution's package into the user's cache
 * folder, which needs neither root nor an installation. The unpacked one is kept for the next time.
 *
 * @throws NoNginxError when there is none; nothing half unpacked stays behind.
 */
export async function findNginxProgram(search: Partial<NginxSearch> = {}): Promise<FoundProgram> {
  const { environment = systemEnvironment(), programs = ['nginx'] } = search;
  const found = await findProgram({ environment, programs, packages: PACKAGES, cacheFolder: 'nginx' });
  if ('reasons' in found) throw new NoNginxError(found.reasons);
  return found;
}

function systemEnvironment(): ProgramSearch['environment'] {
  const path = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS].filter(Boolean).join(delimiter);
  return { ...process.env, PATH: path };
}
