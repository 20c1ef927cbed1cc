import { Logger } from '@nestjs/common';
import { createClient, createCluster } from 'redis';
import { errorText } from '../common/error-fields.js';

/** Time that one command may take. A reader waits for it, and the database is not far away either. */
const COMMAND_TIMEOUT_MS = 50;

/** After a failure nobody asks for this long: readers shall not wait for a Redis that is away. */
const REST_MS = 1000;

/** Between two attempts to connect. */
const RECONNECT_MS = 500;

/**
 * Writes a value unless one of the same epoch with a later version is there, or with the same one and it is not to be replaced. A value that is
 * larger replaces it nowhere: what is written depends on the version alone, so that two writers end up the same in any order.
 */
const PUT_IF_NEWER = `
local held = redis.call('HMGET', KEYS[1], 'epoch', 'version')
if held[1] == ARGV[1] and tonumber(held[2]) >= tonumber(ARGV[2]) + tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'version', ARGV[2], 'value', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`;

/** A value with what says whether it is of use. */
export interface VersionedValue {
  readonly epoch: string;
  readonly version: number;
  readonly value: string;
}

/** What clients of one node and of a cluster have in common. */
type Commands = Pick<ReturnType<typeof createClient>, 'hmGet' | 'eval' | 'connect' | 'destroy' | 'on' | 'isOpen'>;

/**
 * Values with versions in Redis, one node or a Redis Cluster. Falls away without harm: what cannot be read is not there, what cannot be
 * written is not written, and nobody waits long.
 */
export class RedisValues {
  readonly #logger = new Logger('Redis');
  readonly #commands: Commands;
  #restingUntilMs = 0;
  #isFailing = false;

  /** Begins to connect. @param urls - one node, or some of a cluster's. */
  constructor(urls: readonly URL[]) {
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

  /** Reads values; `undefined` where there is none, or none to be had. Never rejects. */
  async read(keys: readonly string[]): Promise<(VersionedValue | undefined)[]> {
    const found = await this.#attempt(() =>
      Promise.all(keys.map((key) => this.#commands.hmGet(key, ['epoch', 'version', 'value']))),
    );
    return keys.map((_key, at) => {
      const [epoch, version, value] = found?.[at] ?? [];
      return epoch == null || version == null || value == null ? undefined : { epoch, version: Number(version), value };
    });
  }

  /**
   * Writes a value unless a newer one is there. Never rejects.
   *
   * @param replaces - whether one of the same version is replaced.
   * @returns whether Redis has seen to it.
   */
  async write(
    key: string,
    { epoch, version, value }: VersionedValue,
    { ttlMs, replaces = false }: { readonly ttlMs: number; readonly replaces?: boolean },
  ): Promise<boolean> {
    const values = { keys: [key], arguments: [epoch, String(version), value, String(ttlMs), replaces ? '1' : '0'] };
    return (await this.#attempt(() => this.#commands.eval(PUT_IF_NEWER, values))) !== undefined;
  }

  /** Closes at once. */
  close(): void {
    if (this.#commands.isOpen) this.#commands.destroy();
  }

  async #attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
    if (performance.now() < this.#restingUntilMs) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('Redis did not answer in time.')), COMMAND_TIMEOUT_MS);
    });
    try {
      const result = await Promise.race([run(), timeout]);
      if (this.#isFailing) this.#logger.log('Redis answers again.');
      this.#isFailing = false;
      return result;
    } catch (error) {
      this.#fail(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(error: unknown): void {
    this.#restingUntilMs = performance.now() + REST_MS;
    if (!this.#isFailing) this.#logger.warn(`The shared cache is away: ${errorText(error)}`);
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
