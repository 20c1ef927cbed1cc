import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { dump, load } from 'js-yaml';
import { settlesWithin, waitUntil } from '../../src/storage/embedded/wait-until.js';
import { freePort } from './free-port.js';
import { findPrometheusProgram } from './prometheus-program.js';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

/** Somebody else may take a port between our finding it free and the server's listening. */
const PORT_TRIES = 5;

const FOLDER = resolve('deploy/prometheus');

/** Width of every window of rules and rates: a test cannot wait for minutes of samples. */
export const TEST_WINDOW = '10s';

/** One series of an instant query's answer. */
export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>;
  /** `NaN` where there is nothing to divide by. */
  readonly value: number;
}

/** A rule as the server tells it. */
export interface RuleStatus {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly health: 'ok' | 'unknown' | 'err';
  readonly lastError?: string;
  /** Of alerts alone. */
  readonly state?: 'inactive' | 'pending' | 'firing';
}

interface Configuration {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly object[];
}

/** Narrows the windows of rules or queries to {@link TEST_WINDOW}. */
export function withTestWindows(text: string): string {
  return text.replaceAll(/\[(?:\d+[smh]|\$__rate_interval)\]/g, `[${TEST_WINDOW}]`);
}

/**
 * A Prometheus with the configuration and the rules in deploy/prometheus, as a process with a folder of its own. It differs from
 * them in its targets, in scraping and evaluating every second, and in the windows of its rules.
 */
export class PrometheusServer {
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
   * Starts it and waits until it is ready.
   *
   * @param targets - `host:port` of what it scrapes.
   * @throws NoPrometheusError when there is no program to start, and Error with what the program has said when it ends.
   */
  static async start(targets: readonly string[]): Promise<PrometheusServer> {
    const program = await findPrometheusProgram('prometheus');
    for (let tries = 1; ; tries++) {
      const folder = await mkdtemp(join(tmpdir(), 'scrollback-prometheus-'));
      await configure(folder, targets);
      const address = `127.0.0.1:${await freePort()}`;
      const child = spawn(
        program.path,
        [
          '--config.file=prometheus.yaml',
          '--storage.tsdb.path=data',
          `--web.listen-address=${address}`,
          '--log.level=warn',
        ],
        { cwd: folder, env: { ...process.env, ...program.environment }, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      const server = new PrometheusServer(`http://${address}`, child, folder);
      if ((await waitUntil(() => server.#isOver || server.#isReady(), START_TIMEOUT_MS)) && !server.#isOver)
        return server;
      await server.stop();
      if (tries === PORT_TRIES) throw new Error(`Prometheus does not start: ${server.output}`);
    }
  }

  /**
   * Asks for the present value of an expression.
   *
   * @throws Error with what the server says of an expression that it cannot evaluate.
   */
  async query(expression: string): Promise<QueryResult[]> {
    const body = new URLSearchParams({ query: expression });
    const answer = (await (await fetch(`${this.url}/api/v1/query`, { method: 'POST', body })).json()) as {
      readonly status: string;
      readonly error?: string;
      readonly data: {
        readonly resultType: string;
        readonly result: { readonly metric: Record<string, string>; readonly value: [number, string] }[];
      };
    };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${expression}`);
    if (answer.data.resultType !== 'vector') throw new Error(`A ${answer.data.resultType}, no vector: ${expression}`);
    return answer.data.result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  }

  /** The rules that it evaluates. */
  async rules(): Promise<RuleStatus[]> {
    const { data } = (await (await fetch(`${this.url}/api/v1/rules`)).json()) as {
      readonly data: { readonly groups: readonly { readonly rules: readonly RuleStatus[] }[] };
    };
    return data.groups.flatMap(({ rules }) => rules);
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

  async #isReady(): Promise<boolean> {
    const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
    return answer?.status === 200;
  }

  readonly #killed = (): void => {
    this.child.kill('SIGKILL');
  };
}

async function configure(folder: string, targets: readonly string[]): Promise<void> {
  const shipped = load(await readFile(join(FOLDER, 'prometheus.yaml'), 'utf8')) as Configuration;
  const configuration = {
    ...shipped,
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    scrape_configs: shipped.scrape_configs.map((job) => ({ ...job, static_configs: [{ targets: [...targets] }] })),
  };
  await writeFile(join(folder, 'prometheus.yaml'), dump(configuration));
  for (const file of shipped.rule_files) {
    await writeFile(join(folder, file), withTestWindows(await readFile(join(FOLDER, file), 'utf8')));
  }
}
