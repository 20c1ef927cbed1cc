import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Client } from 'pg';
import { inTime } from '../common/in-time.js';
import { DatabaseServer } from './database-server.js';

/** A probe is answered within this, whatever the database does. */
const PROBE_TIMEOUT_MS = 1000;

/** How long one answer serves everybody who asks. */
const PROBE_TTL_MS = 500;

/**
 * Tells whether the database answers, on a connection of its own: a busy pool must not make the instance look dead.
 */
@Injectable()
export class DatabaseProbe implements OnApplicationShutdown {
  #client: Client | undefined;
  #pending: Promise<boolean> | undefined;
  #answeredAtMs = -Infinity;
  #isUp = false;

  constructor(private readonly server: DatabaseServer) {}

  /** Resolves to whether the database answers; never rejects, and takes a second at most. */
  isUp(): Promise<boolean> {
    if (performance.now() - this.#answeredAtMs < PROBE_TTL_MS) return Promise.resolve(this.#isUp);
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  onApplicationShutdown(): void {
    this.#drop(this.#client);
  }

  async #ask(): Promise<boolean> {
    try {
      await inTime(this.#selectOne(), PROBE_TIMEOUT_MS, 'The database did not answer in time.');
      this.#isUp = true;
    } catch {
      this.#isUp = false;
      this.#drop(this.#client);
    }
    this.#answeredAtMs = performance.now();
    return this.#isUp;
  }

  async #selectOne(): Promise<void> {
    if (this.#client === undefined) {
      const { address } = this.server;
      const client = new Client({
        ...('url' in address ? { connectionString: address.url } : address),
        connectionTimeoutMillis: PROBE_TIMEOUT_MS,
        application_name: 'scrollback probe',
      });
      client.on('error', () => this.#drop(client));
      this.#client = client;
      await client.connect();
    }
    await this.#client.query('SELECT 1');
  }

  /** Forgets a connection that is of no use. A polite end would wait for the network to tell that the other side is gone. */
  #drop(client: Client | undefined): void {
    if (client === undefined) return;
    if (this.#client === client) this.#client = undefined;
    client.connection.stream.destroy();
  }
}
