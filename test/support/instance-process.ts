import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { settlesWithin, waitUntil } from '../../src/storage/embedded/wait-until.js';
import { ApiClient } from './api-client.js';

const COMMAND = resolve('bin/scrollback.mjs');
const START_TIMEOUT_MS = 60_000;
/** Above the instance's own limit for a shutdown. */
const STOP_TIMEOUT_MS = 30_000;
/** Of what an instance has said, so much is kept, to be told when it does not start. */
const OUTPUT_KEPT = 20_000;

/**
 * An instance in a process of its own, started as users start it. It can be killed, frozen and started again; it keeps
 * its port, so that whoever knows where it is finds it there.
 */
export class InstanceProcess {
  /** The end of what it has written. */
  output = '';
  #child: ChildProcess | undefined;
  #port: number;

  private constructor(
    private readonly environment: Readonly<Record<string, string>>,
    private readonly hear: (said: string) => void,
  ) {
    this.#port = Number(environment['PORT'] ?? 0);
  }

  /**
   * Starts one and waits until it is ready.
   *
   * @param environment - its whole configuration; of this process's it gets PATH and HOME alone. `PORT` absent: a free one.
   * @param hear - told of everything that it writes, of which {@link output} keeps the end alone.
   * @throws Error with what it has said, when it ends before.
   */
  static async start(
    environment: Readonly<Record<string, string>>,
    hear: (said: string) => void = () => undefined,
  ): Promise<InstanceProcess> {
    const instance = new InstanceProcess(environment, hear);
    await instance.start();
    return instance;
  }

  /** Starts one and does not wait for it. `PORT` has to be given, to ask it before it says where it listens. */
  static launch(environment: Readonly<Record<string, string>>): InstanceProcess {
    const instance = new InstanceProcess(environment, () => undefined);
    instance.#launch();
    return instance;
  }

  /** Where it listens, without a slash at the end, also while it does not run. */
  get url(): string {
    return `http://${this.address}`;
  }

  /** `host:port` of it. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** A client of this instance alone. */
  get api(): ApiClient {
    return new ApiClient(this.url);
  }

  /** Its process; `undefined` while it does not run. */
  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  /** How its last process ended: its exit code, or the signal that killed it; `undefined` while it runs. */
  get ended(): number | NodeJS.Signals | undefined {
    return this.#child?.exitCode ?? this.#child?.signalCode ?? undefined;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it again where it was. @throws Error when it runs, or does not get ready. */
  async start(): Promise<void> {
    this.#launch();
    let isReady = false;
    const isReadyOrGone = async (): Promise<boolean> => (isReady = await this.isReady()) || !this.isRunning;
    await waitUntil(isReadyOrGone, START_TIMEOUT_MS);
    if (isReady) return;
    await this.kill();
    throw new Error(`The instance does not start:\n${this.output}`);
  }

  #launch(): void {
    if (this.isRunning) throw new Error(`The instance at ${this.url} runs.`);
    const { PATH = '', HOME = '' } = process.env;
    this.output = '';
    const child = spawn(process.execPath, [COMMAND, 'serve'], {
      env: { PATH, HOME, LOG_LEVEL: 'info', ...this.environment, HOST: '127.0.0.1', PORT: String(this.#port) },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C reaches whoever started it alone: two signals in a row would cut its shutdown short.
      detached: true,
    });
    this.#child = child;
    process.once('exit', this.#killed);
    child.once('exit', () => process.off('exit', this.#killed));
    const keep = (chunk: Buffer): void => {
      this.hear(chunk.toString());
      this.output = (this.output + chunk.toString()).slice(-OUTPUT_KEPT);
      const port = /Listening on http:\/\/[\d.]+:(\d+)/.exec(this.output)?.[1];
      if (port !== undefined) this.#port = Number(port);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => (this.output += error.message));
  }

  /** Whether it says that it is ready for requests. */
  async isReady(): Promise<boolean> {
    if (this.#port === 0) return false;
    const answer = await this.api.get('/health/ready').catch(() => undefined);
    return answer?.status === 200;
  }

  /** Kills it at once, as a crash would (SIGKILL). */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /**
   * Has it end gracefully (SIGTERM).
   *
   * @throws Error when that takes too long; it is killed then.
   */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends it gracefully and starts it again. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Stops its clock (SIGSTOP), as a paused virtual machine would: connections are taken, nothing is answered. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Has it go on after {@link freeze}. */
  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning || child.pid === undefined) return;
    const exited = once(child, 'exit');
    // A frozen process ends by SIGKILL alone.
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    child.kill(signal);
    if (await settlesWithin(exited, STOP_TIMEOUT_MS)) return;
    child.kill('SIGKILL');
    await exited;
    throw new Error(`The instance at ${this.url} did not end:\n${this.output}`);
  }

  readonly #killed = (): void => {
    this.#child?.kill('SIGKILL');
  };
}
