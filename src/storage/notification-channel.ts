import { Client, type Notification } from 'pg';
import { errorText } from '../common/error-fields.js';
import { inTime } from '../common/in-time.js';
import type { DatabaseAddress } from './data-source-options.js';

/** Connecting and listening give up after this long. */
const CONNECT_TIMEOUT_MS = 3000;

/** Who the connections are in `pg_stat_activity`. */
export const NOTIFICATION_APPLICATION = 'scrollback bus';

/** Parameters: `$1 text` channel, `$2 text[]` payloads. One statement, and so one transaction, for all of them. */
const NOTIFY = {
  name: 'notify',
  text: 'SELECT pg_notify($1::text, payload) FROM unnest($2::text[]) AS payload',
};

/** Who hears notifications. */
export interface NotificationListener {
  /** Own notifications come as well. */
  onNotification(payload: string): void;
  /** A connection has broken: nothing comes any more until the channel is opened again. Told once. */
  onLost(reason: string): void;
}

/**
 * Sends and hears notifications of PostgreSQL, on two connections beside the pool: one listens, and is given notifications only while
 * it does nothing else; the other one sends, and may have to wait for the lock that NOTIFY takes.
 */
export class NotificationChannel {
  #connections: Connections | undefined;

  constructor(private readonly address: DatabaseAddress) {}

  /** Connects and listens. Rejects with what PostgreSQL or the network says, or after 3 s; nothing is open then. */
  async open(channel: string, { onNotification, onLost }: NotificationListener): Promise<void> {
    this.close();
    const connections: Connections = { channel, listening: this.#client(), sending: this.#client() };
    const { listening, sending } = connections;
    this.#connections = connections;
    const lost = (reason: string): void => {
      if (this.#connections !== connections) return;
      this.close();
      onLost(reason);
    };
    const failed = new Promise<never>((_resolve, reject) => {
      let fail = reject as (error: Error) => void;
      for (const client of [listening, sending]) {
        client.on('error', (error) => fail(error));
        client.on('end', () => fail(new Error('The connection to the database has ended.')));
      }
      connections.opened = () => {
        fail = (error) => lost(errorText(error));
      };
    });
    // Whoever waits for the race below hears of it; a rejection that comes later is of no interest.
    failed.catch(() => undefined);
    listening.on('notification', ({ payload }: Notification) => onNotification(payload ?? ''));
    try {
      const connected = Promise.race([this.#connect(connections), failed]);
      await inTime(connected, CONNECT_TIMEOUT_MS, 'The database did not answer in time.');
      if (this.#connections !== connections) throw new Error('The channel was closed meanwhile.');
      connections.opened?.();
    } catch (error) {
      if (this.#connections === connections) this.close();
      throw error;
    }
  }

  /** Sends payloads in their order, of less than 8000 bytes each. Rejects when they may not have gone. */
  async notify(payloads: readonly string[]): Promise<void> {
    const connections = this.#connections;
    if (connections === undefined) throw new Error('The channel is not open.');
    await connections.sending.query({ ...NOTIFY, values: [connections.channel, payloads] });
  }

  /** Closes at once; what is on its way rejects. */
  close(): void {
    const connections = this.#connections;
    this.#connections = undefined;
    if (connections === undefined) return;
    for (const client of [connections.listening, connections.sending]) destroy(client);
  }

  async #connect({ channel, listening, sending }: Connections): Promise<void> {
    await Promise.all([listening.connect(), sending.connect()]);
    // There is nothing to be kept safe: the lock that NOTIFY takes must not be held for a disk.
    await sending.query('SET synchronous_commit = off');
    await listening.query(`LISTEN ${listening.escapeIdentifier(channel)}`);
  }

  #client(): Client {
    const { address } = this;
    return new Client({
      ...('url' in address ? { connectionString: address.url } : address),
      application_name: NOTIFICATION_APPLICATION,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
  }
}

interface Connections {
  readonly channel: string;
  readonly listening: Client;
  readonly sending: Client;
  /** From now on, what goes wrong is told to the listener. */
  opened?: () => void;
}

/** Ends a connection that may not answer: a goodbye that nobody takes would wait for ever. */
function destroy(client: Client): void {
  void client.end().catch(() => undefined);
  const { connection } = client as unknown as { readonly connection: { readonly stream: { destroy(): void } } };
  connection.stream.destroy();
}
