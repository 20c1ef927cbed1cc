import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { settlesWithin, waitUntil } from '../../src/storage/embedded/wait-until.js';
import { freePort } from './free-port.js';
import { findRedisProgram } from './redis-program.js';

const START_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 1_000;
const STOP_TIMEOUT_MS = 5_000;

/** Somebody else may take a port between our finding it free and the server's listening. */
const PORT_TRIES = 5;

/** How a server that is started here differs from others. */
export interface RedisSettings {
  /** Where it listens; absent: a free port. */
  readonly port?: number;
  /** Further settings, as in `redis.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A Redis for tests and benchmarks: the one that REDIS_URL names, else a process of its own on a free port of the loopback
 * interface that keeps nothing on disk.
 */
export class RedisServer {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess | undefined,
    private readonly folder: string | undefined,
  ) {}

  /**
   * Starts it and waits until it answers.
   *
   * @throws NoRedisError when there is no program to start, and Error with what the program has said when it ends.
   */
  static async start(
    url = process.env['REDIS_URL'],
    { port: wanted, settings: more = {} }: RedisSettings = {},
  ): Promise<RedisServer> {
    if (url !== undefined && url !== '') return new RedisServer(url, undefined, undefined);
    const program = await findRedisProgram();
    for (let tries = 1; ; tries++) {
      const folder = await mkdtemp(join(tmpdir(), 'scrollback-redis-'));
      const port = wanted ?? (await freePort());
      const settings = { bind: '127.0.0.1', port: String(port), dir: folder, save: '', appendonly: 'no', ...more };
      const child = spawn(
        program.path,
        Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
        { env: { ...process.env, ...program.environment }, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      const output: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
      child.on('error', (error) => output.push(Buffer.from(error.message)));
      const server = new RedisServer(`redis://127.0.0.1:${port}`, child, folder);
      process.once('exit', server.#killed);
      const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
      if ((await waitUntil(async () => isOver() || (await isReady(port, child.pid)), START_TIMEOUT_MS)) && !isOver())
        return server;
      await server.stop();
      if (tries === PORT_TRIES || wanted !== undefined)
        throw new Error(`The Redis server does not start: ${Buffer.concat(output).toString()}`);
    }
  }

  /** Process of the server; `undefined` when somebody else runs it. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** Ends the process that was started here without letting it say goodbye. */
  async kill(): Promise<void> {
    this.process?.kill('SIGKILL');
    await this.stop();
  }

  /** Ends the process that was started here. A server that somebody else runs is left alone. */
  async stop(): Promise<void> {
    const { process: child, folder } = this;
    if (child === undefined || folder === undefined) return;
    process.off('exit', this.#killed);
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const exited = once(child, 'exit');
      if (!child.killed) child.kill('SIGTERM');
      if (!(await settlesWithin(exited, STOP_TIMEOUT_MS))) {
        child.kill('SIGKILL');
        await exited;
      }
    }
    await rm(folder, { recursive: true, force: true });
  }

  readonly #killed = (): void => {
    this.process?.kill('SIGKILL');
  };
}

/** Whether this very process answers on the port: somebody else may have taken it. */
async function isReady(port: number, pid: number | undefined): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  try {
    await once(socket, 'connect', { signal });
    socket.write('INFO server\r\n');
    const [answer] = (await once(socket, 'data', { signal })) as [Buffer];
    return answer.toString().includes(`\nprocess_id:${pid}\r\n`);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
