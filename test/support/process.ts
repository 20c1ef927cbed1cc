import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Client } from 'pg';

import type { EmbeddedConnection } from '../../src/storage/embedded/database-connection.js';
import { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import type { EmbeddedPostgresOptions } from '../../src/storage/embedded/embedded-postgres.js';
import { listProcesses, readWorkingDirectory } from '../../src/storage/embedded/process-table.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';

/** For what takes a second on an idle machine. */
export const DEADLINE_MS = 30_000;

/** How a process ended: one of the two is null. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A Node process running a piece of ES module source, which talks back in lines on its standard output. */
export class ScriptProcess {
  readonly exited: Promise<ProcessExit>;
  private readonly lines: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    if (!child.stdout) throw new Error('the script has no standard output');
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.exited = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  /** Starts it; `args` are `process.argv[1]` and on. What it writes to standard error is shown. */
  static start(source: string, args: readonly string[]): ScriptProcess {
    const command = ['--input-type=module', '--eval', source, ...args];
    return new ScriptProcess(spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] }));
  }

  /** Waits for the next line. @throws when the script ends first. */
  async readLine(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error(`the script ended early: ${JSON.stringify(await this.exited)}`);
    return value;
  }

  /** Sends a signal, and waits until the process has ended. */
  async kill(signal: NodeJS.Signals): Promise<ProcessExit> {
    this.child.kill(signal);
    return this.exited;
  }
}

/** What a script that starts an embedded database says: the first two, or the rest. */
export interface OwnerReport {
  readonly pid?: number;
  readonly connection?: EmbeddedConnection;
  readonly code?: string;
  readonly ownerPid?: number;
}

const OWNER_SCRIPT = `
  import { EmbeddedPostgres } from '${new URL('../../src/storage/embedded/embedded-postgres.js', import.meta.url).href}';
  const say = (report) => console.log(JSON.stringify(report));
  try {
    const database = await EmbeddedPostgres.start({ dataDir: process.argv[1], settings: { fsync: 'off' } });
    say({ pid: database.pid, connection: database.connection });
    if (process.argv[2] === 'stay') setInterval(() => {}, 1000);
  } catch ({ code, ownerPid }) {
    say({ code, ownerPid });
  }
`;

/** One folder, and the embedded databases that a test starts in it, here or in processes of their own. */
export class EmbeddedWorkbench {
  /** What the databases started here have logged. */
  readonly messages: string[] = [];
  private readonly databases: EmbeddedPostgres[] = [];
  private readonly scripts: ScriptProcess[] = [];
  private readonly programs: ChildProcess[] = [];
  dataDir: string;

  private constructor(readonly parent: string) {
    this.dataDir = join(parent, 'data');
  }

  /** Makes the folder, which under root nobody else may enter, below one that everybody may. */
  static async open(root: string): Promise<EmbeddedWorkbench> {
    return new EmbeddedWorkbench(await mkdtemp(join(root, 't-')));
  }

  /** A path in the data folder. */
  inData(...names: string[]): string {
    return join(this.dataDir, ...names);
  }

  async start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
    const database = await EmbeddedPostgres.start({
      dataDir: this.dataDir,
      settings: { fsync: 'off' },
      onLog: ({ message }) => this.messages.push(message),
      ...options,
    });
    this.databases.push(database);
    return database;
  }

  /** Leaves a complete data folder that nobody uses. */
  async startAndStop(): Promise<EmbeddedPostgres> {
    const database = await this.start();
    await database.stop();
    return database;
  }

  /** Starts a process that starts the database, and then stays until it is killed, or lets Node decide. */
  runOwner(then: 'stay' | 'end' = 'stay'): ScriptProcess {
    const script = ScriptProcess.start(OWNER_SCRIPT, [this.dataDir, then]);
    this.scripts.push(script);
    return script;
  }

  /** Starts another program, ended with the test. */
  runProgram(
    command: string,
    args: readonly string[],
    as: { readonly uid: number; readonly gid: number },
  ): ChildProcess {
    const program = spawn(command, args, { uid: as.uid, gid: as.gid, stdio: 'ignore' });
    this.programs.push(program);
    return program;
  }

  /** Kills the postmaster, and waits until another one serves. */
  async killAndAwaitRestart(database: EmbeddedPostgres): Promise<void> {
    const killed = killPostmaster(database);
    const isBack = async (): Promise<boolean> => database.pid !== killed && (await answers(database.connection));
    if (!(await waitUntil(isBack, DEADLINE_MS))) throw new Error('the postmaster was not restarted');
  }

  /** The postmasters whose data is in the folder. */
  async postmasters(): Promise<number[]> {
    const processes = await listProcesses();
    return processes
      .filter(({ command }) => command.join(' ').includes(`/postgres -D ${this.parent}/`))
      .map(({ pid }) => pid);
  }

  /** Ends everything that was started; the folder stays. */
  async close(): Promise<void> {
    await Promise.all(this.scripts.map(async (script) => script.kill('SIGKILL')));
    for (const program of this.programs) program.kill('SIGKILL');
    await Promise.all(this.databases.map(async (database) => database.stop()));
    // At once, but not by SIGKILL, which would leave its shared memory behind.
    for (const pid of await this.postmasters()) process.kill(pid, 'SIGQUIT');
    const isGone = async (): Promise<boolean> => (await this.postmasters()).length === 0;
    if (!(await waitUntil(isGone, DEADLINE_MS))) throw new Error(`postmasters still run in ${this.parent}`);
    for (const { pid, command } of await listProcesses()) {
      const isBackend = command[0]?.startsWith('postgres: scrollback-') === true;
      if (isBackend && (await readWorkingDirectory(pid))?.startsWith(this.parent)) process.kill(pid, 'SIGKILL');
    }
  }
}

/** Makes a folder for a test file that everybody may enter: short and real, since the address of a socket has little room and errors name it. */
export async function makeTestFolder(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'sb-')));
  await chmod(path, 0o755);
  return { path, remove: async () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Kills the postmaster with SIGKILL. @returns its pid. */
export function killPostmaster({ pid }: EmbeddedPostgres): number {
  if (pid === undefined) throw new Error('no postmaster runs');
  process.kill(pid, 'SIGKILL');
  return pid;
}

/** Reads the permission bits of a file as they are written: `600`. */
export async function readPermissions(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** Reads what an owner script says once it has started, or could not. */
export async function readReport(script: ScriptProcess): Promise<OwnerReport> {
  return JSON.parse(await script.readLine()) as OwnerReport;
}

/** Runs one statement on a connection of its own. */
export async function query(
  connection: EmbeddedConnection | undefined,
  sql: string,
): Promise<Record<string, unknown>[]> {
  if (!connection) throw new Error('there is no database to query');
  const client = new Client(connection);
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Tells whether a new connection is served. */
export async function answers(connection: EmbeddedConnection): Promise<boolean> {
  return query(connection, 'SELECT 1').then(
    () => true,
    () => false,
  );
}

/** The error that a promise is rejected with. @throws when it is not. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => Promise.reject(new Error('it was expected to fail')),
    (error: Error) => error,
  );
}
