/**
 * Runs PostgreSQL's programs as a user they accept.
 *
 * Not root: as ourselves. Root: as the database account, directly when it may pass all folders above the programs and
 * the data. Below a folder that only root may enter (`mktemp -d`, `/root`) it is run through `setpriv` with one ambient
 * capability, CAP_DAC_READ_SEARCH, and no way to gain another. `access(2)`, by which the programs check each other,
 * ignores the capabilities of a user other than root unless the bit `no_setuid_fixup` is set: without it `initdb` says
 * "invalid binary: Permission denied".
 */
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';

import { canReach } from './database-account.js';
import type { DatabaseAccount } from './database-account.js';
import { EmbeddedDatabaseError } from './embedded-database-error.js';

/** How a program ended; `output` is both streams, or why it could not be run. */
export interface ProgramResult {
  readonly succeeded: boolean;
  readonly output: string;
}

/** What a started program is connected to. `detached` puts it into a session of its own, out of reach of Ctrl-C. */
export interface LaunchOptions {
  readonly stdio: StdioOptions;
  readonly detached: boolean;
}

/** How long a program may run. */
export interface RunLimits {
  /** After this long it is killed. Default 30 000. */
  readonly timeoutMs?: number;
  /** Ends it before. */
  readonly signal?: AbortSignal | undefined;
}

const CAPABILITY = '-all,+dac_read_search';
const SETPRIV_OPTIONS = [
  '--clear-groups',
  '--no-new-privs',
  '--securebits=+no_setuid_fixup,+no_setuid_fixup_locked,+noroot,+noroot_locked',
  `--bounding-set=${CAPABILITY}`,
  `--inh-caps=${CAPABILITY}`,
  `--ambient-caps=${CAPABILITY}`,
];

/** Nothing of ours is handed on: PGDATA and the like would steer PostgreSQL, and secrets are none of its business. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

/** Starts programs as the chosen user, with a fixed environment and working directory. */
export class ProgramLauncher {
  private constructor(
    private readonly account: DatabaseAccount | undefined,
    private readonly throughSetpriv: boolean,
  ) {}

  /**
   * Finds a way to run `program` that works, by running its `--version`.
   *
   * @param paths - what the account has to be able to reach: the program and the data.
   * @returns the launcher and what the program said of its version.
   * @throws {@link EmbeddedDatabaseError} `embedded_database_binaries_unusable` when the program does not run at all,
   * `embedded_database_account_unusable` when it does not run as the account.
   */
  static async choose(
    account: DatabaseAccount | undefined,
    program: string,
    paths: readonly string[],
  ): Promise<{ readonly launcher: ProgramLauncher; readonly version: string }> {
    const asOurselves = new ProgramLauncher(undefined, false);
    const version = await asOurselves.run(program, ['--version']);
    if (!version.succeeded) throw unusableProgram(program, version.output);
    if (!account) return { launcher: asOurselves, version: version.output };

    const reachable = await Promise.all([program, ...paths].map((path) => canReach(account, path)));
    const failures: string[] = [];
    for (const throughSetpriv of reachable.includes(false) ? [true] : [false, true]) {
      const launcher = new ProgramLauncher(account, throughSetpriv);
      const result = await launcher.run(program, ['--version']);
      if (result.succeeded) return { launcher, version: version.output };
      failures.push(result.output.trim());
    }
    throw unusableAccount(account, paths, failures);
  }

  /** Starts a program. @throws what `spawn` throws, when the user cannot be switched to. */
  start(program: string, args: readonly string[], options: LaunchOptions): ChildProcess {
    const common = { ...options, cwd: '/', env: ENVIRONMENT };
    if (!this.account) return spawn(program, args, common);
    const { uid, gid } = this.account;
    if (!this.throughSetpriv) return spawn(program, args, { ...common, uid, gid });
    return spawn('setpriv', [`--reuid=${uid}`, `--regid=${gid}`, ...SETPRIV_OPTIONS, program, ...args], common);
  }

  /** Runs a program to its end, or to its limits. Never rejects. */
  async run(
    program: string,
    args: readonly string[],
    { timeoutMs = 30_000, signal }: RunLimits = {},
  ): Promise<ProgramResult> {
    const output: string[] = [];
    let timer: NodeJS.Timeout | undefined;
    let end: (() => void) | undefined;
    try {
      const child = this.start(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: false });
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => output.push(`${data}`));
      end = (): void => void child.kill('SIGTERM');
      signal?.addEventListener('abort', end);
      timer = setTimeout(() => {
        output.push(`killed after ${timeoutMs} ms`);
        child.kill('SIGKILL');
      }, timeoutMs);
      const [code] = (await once(child, 'close')) as [number | null];
      return { succeeded: code === 0, output: output.join('') };
    } catch (error) {
      return { succeeded: false, output: output.join('') + String(error) };
    } finally {
      clearTimeout(timer);
      if (end !== undefined) signal?.removeEventListener('abort', end);
    }
  }
}

function unusableProgram(program: string, output: string): EmbeddedDatabaseError {
  return new EmbeddedDatabaseError(
    'embedded_database_binaries_unusable',
    `The embedded PostgreSQL does not run on this system (${program}: ${output.trim()}). It needs glibc, so not ` +
      'Alpine, and the install scripts of npm. Reinstall on such a system, or set DATABASE_URL.',
  );
}

function unusableAccount(
  account: DatabaseAccount,
  paths: readonly string[],
  failures: readonly string[],
): EmbeddedDatabaseError {
  return new EmbeddedDatabaseError(
    'embedded_database_account_unusable',
    `PostgreSQL refuses to run as root, and running it as ${account.name} for ${paths.join(', ')} failed ` +
      `(${failures.join('; ')}). Choose another SCROLLBACK_DATA_DIR, below folders that every user may enter, ` +
      'run Scrollback as a normal user, or set DATABASE_URL.',
  );
}
