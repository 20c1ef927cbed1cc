import { RedisCommands } from './redis-commands.js';

/** Adds to a counter that goes with the window it began in. Answers its value and the rest of its window. */
const ADD_IN_WINDOW = `
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
local rest = redis.call('PTTL', KEYS[1])
if rest < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  rest = tonumber(ARGV[2])
end
return {total, rest}`;

/** Time that one round may take: nobody waits for it. */
const ROUND_TIMEOUT_MS = 1000;

/** What a counter stands at. */
export interface CounterState {
  readonly total: number;
  /** Milliseconds until it begins anew. */
  readonly restMs: number;
}

/** Counters in Redis, one node or a Redis Cluster, each of which begins anew when its window ends. Falls away without harm. */
export class RedisCounters {
  readonly #redis: RedisCommands;

  /** Begins to connect. @param urls - one node, or some of a cluster's. */
  constructor(urls: readonly URL[]) {
    this.#redis = new RedisCommands(urls, 'the rate limits of several instances');
  }

  /** Adds to counters, in one round. @returns what each stands at then; `undefined` if Redis is away. Never rejects. */
  async add(
    additions: readonly { readonly key: string; readonly by: number }[],
    windowMs: number,
  ): Promise<readonly CounterState[] | undefined> {
    const states = await this.#redis.attempt(
      (commands) =>
        Promise.all(
          additions.map(({ key, by }) =>
            commands.eval(ADD_IN_WINDOW, { keys: [key], arguments: [String(by), String(windowMs)] }),
          ),
        ),
      ROUND_TIMEOUT_MS,
    );
    return states?.map((state) => {
      const [total, restMs] = state as [number, number];
      return { total, restMs };
    });
  }

  /** Closes at once. */
  close(): void {
    this.#redis.close();
  }
}
