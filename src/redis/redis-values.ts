import { RedisCommands, type Commands } from './redis-commands.js';

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

/** Nobody waits for a write: one that is slow on a busy machine is better than none. */
const WRITE_TIMEOUT_MS = 1000;

/** Nobody writes it. */
const PROBED_KEY = 'scrollback:probe';

/** A value with what says whether it is of use. */
export interface VersionedValue {
  /** In which its version means something: one of another is of no use. */
  readonly epoch: string;
  readonly version: number;
  readonly value: string;
}

/**
 * Values with versions in Redis, one node or a Redis Cluster. Falls away without harm: what cannot be read is not there, what cannot be
 * written is not written, and nobody waits long.
 */
export class RedisValues {
  readonly #redis: RedisCommands;

  /** Begins to connect. @param urls - one node, or some of a cluster's. */
  constructor(urls: readonly URL[]) {
    this.#redis = new RedisCommands(urls, 'the shared cache');
  }

  /** Reads values; `undefined` where there is none, or none to be had. Never rejects. */
  async read(keys: readonly string[]): Promise<(VersionedValue | undefined)[]> {
    const found = await this.#redis.attempt((commands) =>
      Promise.all(keys.map((key) => commands.hmGet(key, ['epoch', 'version', 'value']))),
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
    const put = (commands: Commands): Promise<unknown> => commands.eval(PUT_IF_NEWER, values);
    return (await this.#redis.attempt(put, WRITE_TIMEOUT_MS)) !== undefined;
  }

  /** Whether Redis answers; a cluster is asked through one of its nodes. Never rejects, and nobody waits long. */
  async isAnswering(): Promise<boolean> {
    return (await this.#redis.attempt((commands) => commands.hmGet(PROBED_KEY, ['epoch']))) !== undefined;
  }

  /** Closes at once. */
  close(): void {
    this.#redis.close();
  }
}
