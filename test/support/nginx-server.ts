import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { settlesWithin, waitUntil } from '../../src/storage/embedded/wait-until.js';
import { freePort } from './free-port.js';
import { findNginxProgram } from './nginx-program.js';

/** What nginx is to stand in front of, and where. */
export interface NginxOptions {
  /** `host:port` of each instance. */
  readonly servers: readonly string[];
  /** Port of 127.0.0.1; absent: a free one. */
  readonly port?: number;
}

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;

/** Somebody else may take a port between our finding it free and the server's listening. */
const PORT_TRIES = 5;

const CONFIGURATION = resolve('deploy/nginx/nginx.conf');
const TEMPLATE = resolve('deploy/nginx/scrollback.conf.template');

/** What a server is given beside its address: it is left alone for 5 s after one failure. The same as in deploy/compose. */
const SERVER_PARAMETERS = 'max_fails=1 fail_timeout=5s';

/**
 * Fills in the template as the nginx image does: the variables that are given, and nothing else that begins with a dollar.
 *
 * @throws Error when the template has no such variable.
 */
export function fillTemplate(template: string, variables: Readonly<Record<string, string>>): string {
  let text = template;
  for (const [name, value] of Object.entries(variables)) {
    if (!text.includes(`\${${name}}`)) throw new Error(`The template has no variable ${name}.`);
    text = text.replaceAll(`\${${name}}`, () => value);
  }
  return text;
}

/** The lines of the template's upstream for some instances. */
export function serverLines(servers: readonly string[]): string {
  return servers.map((server) => `server ${server} ${SERVER_PARAMETERS};`).join('\n  ');
}

/** An nginx that sends requests to instances by chat, as a process without root, with a folder of its own. */
export class NginxServer {
  /** What it has written: warnings and errors. */
  output = '';

  private constructor(
    /** Where it listens, without a slash at the end. */
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    const keep = (chunk: Buffer): void => void (this.output += chunk.toString());
    child.stdout!.on('data', keep);
    child.stderr!.on('data', keep);
    child.on('error', (error) => (this.output += error.message));
    process.once('exit', this.#killed);
  }

  /**
   * Starts it with the configuration in deploy/nginx and waits until it answers.
   *
   * @throws NoNginxError when there is no program to start, and Error with what the program has said when it ends.
   */
  static async start(options: NginxOptions): Promise<NginxServer> {
    const program = await findNginxProgram();
    for (let tries = options.port === undefined ? 1 : PORT_TRIES; ; tries++) {
      const folder = await mkdtemp(join(tmpdir(), 'scrollback-nginx-'));
      const port = options.port ?? (await freePort());
      const address = `127.0.0.1:${port}`;
      const filled = fillTemplate(await readFile(TEMPLATE, 'utf8'), {
        SCROLLBACK_LISTEN: address,
        SCROLLBACK_SERVERS: serverLines(options.servers),
      });
      await writeFile(join(folder, 'scrollback.conf'), filled);
      await copyFile(CONFIGURATION, join(folder, 'nginx.conf'));
      const child = spawn(program.path, ['-p', `${folder}/`, '-c', 'nginx.conf', '-e', 'stderr'], {
        cwd: folder,
        env: { ...process.env, ...program.environment },
        stdio: ['ignore', 'pipe', 'pipe'],
        // Ctrl-C reaches whoever started it alone, who ends things in order.
        detached: true,
      });
      const server = new NginxServer(`http://${address}`, child, folder);
      if ((await waitUntil(() => server.#isOver || server.#answers(), START_TIMEOUT_MS)) && !server.#isOver)
        return server;
      await server.stop();
      if (tries >= PORT_TRIES) throw new Error(`nginx does not start: ${server.output}`);
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Ends it and deletes its folder. */
  async stop(): Promise<void> {
    process.off('exit', this.#killed);
    if (!this.#isOver) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      if (!(await settlesWithin(exited, STOP_TIMEOUT_MS))) {
        this.child.kill('SIGKILL');
        await exited;
      }
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  get #isOver(): boolean {
    const { exitCode, signalCode, pid } = this.child;
    return exitCode !== null || signalCode !== null || pid === undefined;
  }

  /** Whether it answers: `/metrics` it refuses itself, without asking an instance. */
  async #answers(): Promise<boolean> {
    const answer = await fetch(`${this.url}/metrics`).catch(() => undefined);
    return answer?.status === 404 && answer.headers.get('server')?.startsWith('nginx') === true;
  }

  readonly #killed = (): void => {
    this.child.kill('SIGKILL');
  };
}
