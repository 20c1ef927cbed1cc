import type { Caller } from './caller.js';

/** Credentials that are kept; past it the oldest goes. Somebody with a good key could write it in any number of ways. */
const LIMIT = 10_000;

/**
 * What was found good is found out again after this long, a day. Too high and a token that never ends outlives by as much the key that it was signed
 * with.
 */
const LONGEST_MS = 86_400_000;

interface Known {
  readonly caller: Caller;
  readonly untilMs: number;
}

/** Values of `Authorization` that were found good, until they end to be: so that only the first request with each pays for finding out. */
export class KnownCredentials {
  readonly #known = new Map<string, Known>();

  constructor(private readonly now: () => number = () => Date.now()) {}

  /** Whom a value stands for; `undefined`: it is not known, or has ended. */
  find(authorization: string): Caller | undefined {
    const known = this.#known.get(authorization);
    if (known === undefined) return undefined;
    if (this.now() < known.untilMs) return known.caller;
    this.#known.delete(authorization);
    return undefined;
  }

  /** Keeps a value, for a day at most. @param untilMs - in milliseconds since 1970; `Infinity` for what does not end. */
  add(authorization: string, caller: Caller, untilMs: number): void {
    if (this.#known.size >= LIMIT) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(authorization, { caller, untilMs: Math.min(untilMs, this.now() + LONGEST_MS) });
  }
}
