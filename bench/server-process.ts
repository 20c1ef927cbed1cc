import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { spawnNode } from './cores.js';

/** What a server said last is kept, to be told when it ends before its time. */
const LINES_KEPT = 20;

/** A server that is measured, in a process of its own. */
export class ServerProcess {
  readonly #said: string[] = [];
  #isStopping = false;

  private constructor(
    private readonly name: string,
    private readonly child: ChildProcess,
  ) {}

  /** Where it listens. */
  port = 0;

  /**
   * Starts a Node program and waits until it says `Listening on http://…:port`.
   *
   * @throws Error when it ends before. When it ends later without being told to, it says so on standard error.
   */
  static async start(args: readonly string[], env: Readonly<Record<string, string>>): Promise<ServerProcess> {
    const child = spawnNode('measured', args, {
      env: { ...process.env, NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const server = new ServerProcess(args.join(' '), child);
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        server.#said.push(line);
        if (server.#said.length > LINES_KEPT) server.#said.shift();
        const port = /Listening on http:\/\/[^\s/"]*:(\d+)/.exec(line)?.[1];
        if (port === undefined || server.port !== 0) return;
        server.port = Number(port);
        resolve();
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        if (server.#isStopping) return;
        const error = new Error(`${server.name} has ended (${signal ?? code}):\n${server.#said.join('\n')}`);
        if (server.port === 0) reject(error);
        else process.stderr.write(`${error.message}\n`);
      });
    });
    return server;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends it and waits until it has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }
}
