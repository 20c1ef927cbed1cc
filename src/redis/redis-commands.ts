import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { createClient, createCluster } from 'redis';
import { errorText } from '../common/error-fields.js';
import { inTime } from '../common/in-time.js';
import { addressOf, isTls, loginOf, type RedisNodeAddress } from './redis-address.js';

/** Time that one command may take unless told otherwise. A reader waits for it, and the database is not far away either. */
const COMMAND_TIMEOUT_MS = 50;

/** After a failure nobody asks for this long: readers shall not wait for a Redis that is away. */
const REST_MS = 1000;

/** Between two attempts to connect. */
const RECONNECT_MS = 500;

/**
 * The client of a cluster that has failed for this long without an answer is made anew: one that has looked at the nodes while they had not found
 * each other yet keeps half of a map for ever.
 */
const RENEW_MS = 3000;

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
  #commands: Commands;
  #restingUntilMs = 0;
  /** When the failures began that nothing has succeeded after; `undefined`: the last attempt has. */
  #failingSinceMs: number | undefined;
  /** When the client was made. */
  #madeAtMs = 0;
  #isClosed = false;

  /**
   * Begins to connect.
   *
   * @param urls - one node, or some of a cluster's.
   * @param purpose - what is away when Redis is, for the log.
   */
  constructor(
    private readonly urls: readonly URL[],
    private readonly purpose: string,
  ) {
    this.#commands = this.#open();
  }

  /** Runs commands; `undefined` when they fail or take too long, or Redis has failed just now. Never rejects. */
  async attempt<T>(run: (commands: Commands) => Promise<T>, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T | undefined> {
    if (performance.now() < this.#restingUntilMs) return undefined;
    try {
      const result = await inTime(run(this.#commands), timeoutMs, 'Redis did not answer in time.');
      if (this.#failingSinceMs !== undefined) this.#logger.log(`Redis answers again: ${this.purpose}.`);
      this.#failingSinceMs = undefined;
      return result;
    } catch (error) {
      this.#fail(error);
      this.#renewIfStuck();
      return undefined;
    }
  }

  /** Closes at once. */
  close(): void {
    this.#isClosed = true;
    if (this.#commands.isOpen) this.#commands.destroy();
  }

  /** Makes a client, which begins to connect. */
  #open(): Commands {
    const socket = { connectTimeout: 2000, reconnectStrategy: () => RECONNECT_MS };
    const common = { disableOfflineQueue: true, socket };
    const [first, ...others] = this.urls;
    if (first === undefined) throw new TypeError('A URL of Redis is needed.');
    const client = (others.length === 0
      ? createClient({
          ...common,
          ...loginOf(first),
          database: databaseOf(first),
          socket: { ...socket, ...placeOf(first) },
        })
      : createCluster({
          rootNodes: this.urls.map((url) => ({ socket: placeOf(url) })),
          defaults: { ...common, ...loginOf(first) },
        })) as unknown as Commands;
    this.#madeAtMs = performance.now();
    for (const event of ['error', 'node-error']) {
      client.on(event, (error: Error) => {
        if (client === this.#commands) this.#fail(error);
      });
    }
    void this.#connect(client);
    return client;
  }

  /** Goes on until it is connected: the client of a cluster, unlike that of one node, gives up when no node answers at first. */
  async #connect(client: Commands): Promise<void> {
    const isWanted = (): boolean => !this.#isClosed && client === this.#commands;
    // The constructor has yet to keep it.
    await Promise.resolve();
    while (isWanted()) {
      try {
        await client.connect();
        // Closed while it connected: then there was nothing to destroy yet.
        if (!isWanted() && client.isOpen) client.destroy();
        return;
      } catch (error) {
        if (isWanted()) this.#fail(error);
      }
      await sleep(RECONNECT_MS, undefined, { ref: false });
    }
  }

  #fail(error: unknown): void {
    const nowMs = performance.now();
    this.#restingUntilMs = nowMs + REST_MS;
    if (this.#failingSinceMs !== undefined) return;
    this.#failingSinceMs = nowMs;
    this.#logger.warn(`Redis is away, for ${this.purpose}: ${errorText(error)}`);
  }

  #renewIfStuck(): void {
    if (this.#isClosed || this.urls.length === 1) return;
    const sinceMs = Math.max(this.#failingSinceMs ?? Infinity, this.#madeAtMs);
    if (performance.now() - sinceMs < RENEW_MS) return;
    const old = this.#commands;
    this.#commands = this.#open();
    if (old.isOpen) old.destroy();
  }
}

/** Where a node is, as the client wants it: of URLs it does not understand addresses of IPv6. */
function placeOf(url: URL): RedisNodeAddress & { readonly tls?: true } {
  return { ...addressOf(url), ...(isTls(url) ? { tls: true as const } : {}) };
}

/** The database of a node that is no cluster. */
function databaseOf({ pathname }: URL): number {
  return Number(pathname.slice(1)) || 0;
}
