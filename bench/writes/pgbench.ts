import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EmbeddedConnection } from '../../src/storage/embedded/database-connection.js';
import { findExecutable, findProgram, type FoundProgram } from '../../test/support/find-program.js';

const run = promisify(execFile);

/** Debian and its like keep the servers' programs apart from PATH, by version. */
const INSTALLED = '/usr/lib/postgresql/*/bin/pgbench';
const PACKAGES = [{ name: 'postgresql', path: 'usr/lib/postgresql/*/bin/pgbench' }];

/** What pgbench is to do. */
export interface PgbenchOrder {
  readonly connection: EmbeddedConnection;
  /** One transaction. */
  readonly script: string;
  readonly variables: Readonly<Record<string, string | number>>;
  readonly clients: number;
  readonly seconds: number;
  readonly seed: number;
}

/** What it came to. */
export interface PgbenchReport {
  readonly transactions: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** PostgreSQL's own load generator, with prepared statements. */
export class Pgbench {
  private constructor(private readonly program: FoundProgram) {}

  /**
   * Finds it: on PATH, where distributions put it, or unpacked from the distribution's package.
   *
   * @throws Error that says what to do when there is none.
   */
  static async find(): Promise<Pgbench> {
    const installed = await findExecutable(INSTALLED);
    if (installed !== undefined) return new Pgbench({ path: installed, environment: {} });
    const found = await findProgram({
      environment: process.env,
      programs: ['pgbench'],
      packages: PACKAGES,
      cacheFolder: 'pgbench',
    });
    if (!('reasons' in found)) return new Pgbench(found);
    throw new Error(
      'There is no pgbench. Put it on PATH (apt-get install postgresql, dnf install postgresql-contrib, brew install ' +
        `postgresql), or make apt-get work, so that it can be unpacked from the package. ${found.reasons.join(' ')}`,
    );
  }

  /** @throws Error when a transaction fails. */
  async run({ connection, script, variables, clients, seconds, seed }: PgbenchOrder): Promise<PgbenchReport> {
    const folder = await mkdtemp(join(tmpdir(), 'scrollback-pgbench-'));
    try {
      await writeFile(join(folder, 'script.sql'), script);
      const { stdout } = await run(
        this.program.path,
        [
          ...['--no-vacuum', '--protocol=prepared', `--client=${clients}`, '--jobs=2', `--time=${seconds}`],
          ...['--log', '--log-prefix=times', '--file=script.sql', `--random-seed=${seed}`],
          ...Object.entries(variables).map(([name, value]) => `--define=${name}=${value}`),
          connection.database,
        ],
        { cwd: folder, env: { ...process.env, ...this.program.environment, ...addressOf(connection) } },
      );
      const perSecond = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
      if (!(perSecond > 0)) throw new Error(`pgbench has said something else than expected: ${stdout}`);
      const times = await readTimesMs(folder);
      return {
        transactions: times.length,
        perSecond,
        p50Ms: times[Math.floor(times.length * 0.5)]!,
        p99Ms: times[Math.floor(times.length * 0.99)]!,
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

function addressOf({ host, port, user, password }: EmbeddedConnection): Record<string, string> {
  return { PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password };
}

/** The third field of each line of its logs is a transaction's time in microseconds. */
async function readTimesMs(folder: string): Promise<Float64Array> {
  const times: number[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith('times')) continue;
    for (const line of (await readFile(join(folder, name), 'utf8')).trimEnd().split('\n')) {
      if (line !== '') times.push(Number(line.split(' ', 3)[2]) / 1000);
    }
  }
  return Float64Array.from(times).sort();
}
