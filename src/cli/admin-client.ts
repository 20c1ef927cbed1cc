import type { Environment } from '../config/environment.js';

/** Speaks to the admin routes of a running instance, for the command line. */
export class AdminClient {
  readonly #base: string;

  /** @param url - where the instance answers; absent: where the environment says that it listens. */
  constructor(
    url: string | undefined,
    private readonly environment: Pick<Environment, 'HOST' | 'PORT' | 'SCROLLBACK_KEY'>,
  ) {
    const { HOST, PORT } = environment;
    this.#base = url ?? `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${PORT}`;
  }

  /**
   * Asks, and reads the answer; `undefined` where there is none (204).
   *
   * @throws Error with what to do when nobody answers, the key is missing or wrong, or the answer is an error.
   */
  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const key = this.environment.SCROLLBACK_KEY;
    let response: Response;
    try {
      response = await fetch(new URL(`/v1/admin/cache${path}`, this.#base), {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new Error(`No instance answers at ${this.#base}. Name another with --url.`, { cause });
    }
    if (response.status === 401) throw new Error('The instance wants a service key: set SCROLLBACK_KEY.');
    if (!response.ok) throw new Error(`The instance answers ${response.status}: ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}
