import { Logger } from '@nestjs/common';
import { createClient, createCluster } from 'redis';
import { errorText } from '../common/error-fields.js';

/** Time that one command may take unless told otherwise. A reader waits for it, and the database is not far away either. */
const COMMAND_TIMEOUT_MS = 50;

/** After a failure nobody asks for this long: readers shall not wait for a Redis that is away. */
const REST_MS = 1000;

/** Between two attempts to connect. */
const RECONNECT_MS = 500;

/** What clients of one node and of a cluster have in common. */
export type Commands = Pick<
  ReturnType<typeof createClient>,
  'hmGet' | 'eval' | 'connect' | 'destroy' | 'on' | 'isOpen'
>;

/**
 * Commands to Redis, one node or a Redis Cluster, that nobody depends on: what fails or takes long has no result, and for a while after a
 * failure nothing is asked.
 */
export class RedisCommands {
  readonly #logger = new Logger('Redis');
  readonly #commands: Commands;
  #restingUntilMs = 0;
  #isFailing = false;

  /**
   * Begins to connect.
   *
   * @param urls - one node, or some of a cluster's.
   * @param purpose - what is away when Redis is, for the log.
   */
  constructor(
    urls: readonly URL[],
    private readonly purpose: string,
  ) {
    const socket = { connectTimeout: 2000, reconnectStrategy: () => RECONNECT_MS };
    const common = { disableOfflineQueue: true, socket };
    const [first, ...others] = urls;
    if (first === undefined) throw new TypeError('A URL of Redis is needed.');
    const commands =
      others.length === 0
        ? createClient({ url: first.href, ...common })
        : createCluster({
            rootNodes: urls.map(({ href }) => ({ url: href })),
            defaults: { ...common, ...loginOf(first) },
          });
    this.#commands = commands as unknown as Commands;
    for (const event of ['error', 'node-error']) this.#commands.on(event, (error: Error) => this.#fail(error));
    this.#commands.connect().catch((error: unknown) => this.#fail(error));
  }

  /** Runs commands; `undefined` when they fail or take too long, or Redis has failed just now. Never rejects. */
  async attempt<T>(run: (commands: Commands) => Promise<T>, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T | undefined> {
    if (performance.now() < this.#restingUntilMs) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('Redis did not answer in time.')), timeoutMs);
    });
    try {
      const result = await Promise.race([run(this.#commands), timeout]);
      if (this.#isFailing) this.#logger.log(`Redis answers again: ${this.purpose}.`);
      this.#isFailing = false;
      return result;
    } catch (error) {
      this.#fail(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes at once. */
  close(): void {
    if (this.#commands.isOpen) this.#commands.destroy();
  }

  #fail(error: unknown): void {
    this.#restingUntilMs = performance.now() + REST_MS;
    if (!this.#isFailing) this.#logger.warn(`Redis is away, for ${this.purpose}: ${errorText(error)}`);
    this.#isFailing = true;
  }
}

/** How to log in: nodes that a cluster tells of come without it. */
function loginOf({ username, password }: URL): { readonly username?: string; readonly password?: string } {
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  };
}
