import { findProgram, type FoundProgram, type ProgramSearch } from './find-program.js';

/** Where to look for Prometheus: the environment, and what is looked for on PATH. */
export type PrometheusSearch = Pick<ProgramSearch, 'environment' | 'programs'>;

/** What the package brings: the server, and the tool that checks and tests rules. */
export type PrometheusTool = 'prometheus' | 'promtool';

/** No Prometheus is here, and none could be brought up. The message says what to do. */
export class NoPrometheusError extends Error {
  override readonly name = 'NoPrometheusError';

  constructor(tool: PrometheusTool, reasons: readonly string[]) {
    super(
      `There is no ${tool} for the tests. Do one of these: put prometheus and promtool on PATH (apt-get install prometheus, ` +
        'dnf install prometheus, brew install prometheus); or make apt-get work, so that they can be unpacked from the ' +
        `distribution's package. ${reasons.join(' ')}`,
    );
  }
}

/**
 * Finds the server or the tool: on PATH, else unpacked from the distribution's package into the user's cache folder, which
 * needs neither root nor an installation. The unpacked one is kept for the next time.
 *
 * @throws NoPrometheusError when there is none; nothing half unpacked stays behind.
 */
export async function findPrometheusProgram(
  tool: PrometheusTool,
  search: Partial<PrometheusSearch> = {},
): Promise<FoundProgram> {
  const { environment = process.env, programs = [tool] } = search;
  const packages = [{ name: 'prometheus', path: `usr/bin/${tool}` }];
  const found = await findProgram({ environment, programs, packages, cacheFolder: 'prometheus' });
  if ('reasons' in found) throw new NoPrometheusError(tool, found.reasons);
  return found;
}
