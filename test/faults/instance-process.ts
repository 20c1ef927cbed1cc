import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const COMMAND = resolve('bin/scrollback.mjs');

/** A start fails while the database is away, and is then tried again, as a service manager does. */
const START_AGAIN_MS = 200;
const START_LIMIT_MS = 120_000;

/** Output that is kept for who looks into a violation. */
const LINES_KEPT = 200;

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux). A killed instance must find its port
 * free again; and a client that knocks again and again at such a port where nobody listens can come to be connected with itself.
 */
const FIRST_PORT = 15_000;
const PORTS = 15_000;

/** An instance as its users start it, in a process of its own, which is killed and started again on the same port. */
export class InstanceProcess {
  readonly #lines: string[] = [];
  readonly #unasked: string[] = [];
  #child: ChildProcess | undefined;
  #failedStarts = 0;

  private constructor(
    readonly port: number,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  /** Starts one on a free port and waits until it listens. */
  static async start(environment: Readonly<Record<string, string>>): Promise<InstanceProcess> {
    const instance = new InstanceProcess(await findFreePort(), environment);
    await instance.start();
    return instance;
  }

  /** How its processes ended that nobody had ended: every one is a fault of the instance. */
  get unaskedEnds(): readonly string[] {
    return this.#unasked;
  }

  /** Starts that came to nothing, because the database was away. */
  get failedStarts(): number {
    return this.#failedStarts;
  }

  /** What it has said last. */
  get lastLines(): readonly string[] {
    return this.#lines;
  }

  /** Starts it again, as often as it takes, and waits until it listens. */
  async start(): Promise<void> {
    const deadlineMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      const child = this.#spawn();
      if (await this.#listens(child)) {
        this.#child = child;
        child.once('exit', (code, signal) => {
          if (this.#child === child) this.#unasked.push(`ended by itself: ${signal ?? code}`);
        });
        return;
      }
      this.#failedStarts++;
      if (performance.now() > deadlineMs) throw new Error(`the instance does not start:\n${this.#lines.join('\n')}`);
      await sleep(START_AGAIN_MS);
    }
  }

  /** Begins a start and kills it with SIGKILL in the middle. */
  async startAndKill(afterMs: number): Promise<void> {
    const child = this.#spawn();
    const exited = once(child, 'exit');
    await Promise.race([exited, sleep(afterMs)]);
    child.kill('SIGKILL');
    await exited;
  }

  /** Kills it with SIGKILL and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stops it in its tracks with SIGSTOP: it keeps its connections, and does not know that time goes by. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Lets it go on after a pause. */
  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Has its wall clock jump, where it runs with a clock of its own (`test/coherence/skewed-clock.ts`). */
  jumpClock(): void {
    this.#child?.kill('SIGUSR2');
  }

  /** Ends it in good order. @returns its exit code; `null`: it was killed. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  }

  #spawn(): ChildProcess {
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, [COMMAND, 'serve'], {
      env: { PATH, HOME, PORT: String(this.port), ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Not reached by Ctrl-C: whoever started it ends it, when all is checked.
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#lines.push(...chunk.toString().trimEnd().split('\n'));
        this.#lines.splice(0, this.#lines.length - LINES_KEPT);
      });
    }
    return child;
  }

  /** @returns whether it has come to listen; otherwise it has ended. */
  #listens(child: ChildProcess): Promise<boolean> {
    return new Promise((settle, reject) => {
      let output = '';
      child.stdout!.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-4000);
        if (output.includes('Listening on http')) settle(true);
      });
      child.once('error', reject);
      child.once('exit', () => settle(false));
    });
  }
}

async function findFreePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const server = createServer();
    const isFree = await new Promise<boolean>((settle) => {
      server.once('error', () => settle(false));
      server.listen(port, '127.0.0.1', () => settle(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
