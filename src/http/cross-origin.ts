import type { IncomingMessage } from 'node:http';
import { EXPOSED_HEADERS } from './answer.js';

/** What browsers are told of answers that do not pass through the framework: whether a page of another origin may read them. */
export class CrossOrigin {
  readonly #origins: ReadonlySet<string>;

  /** @param origins - those whose pages may call the API; none: nothing is told. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** Headers of the answer to a request, as names and values in turn: those that the framework would give it. */
  headersFor({ headers: { origin } }: IncomingMessage): readonly string[] {
    if (this.#origins.size === 0) return [];
    const exposed = ['vary', 'Origin', 'access-control-expose-headers', EXPOSED_HEADERS.join(', ')];
    return this.#allows(origin) ? ['access-control-allow-origin', origin, ...exposed] : exposed;
  }

  /** Whether a browser asks what a page may do: one whose question is refused tells the page nothing, not even to try again later. */
  isPreflight({ method, headers }: IncomingMessage): boolean {
    return (
      method === 'OPTIONS' && headers['access-control-request-method'] !== undefined && this.#allows(headers.origin)
    );
  }

  #allows(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin);
  }
}
