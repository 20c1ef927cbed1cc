import type { NotificationChannel } from '../../../storage/notification-channel.js';
import type { BusLink, LaneMessage, LinkListener } from './bus-link.js';
import { LinkedBus } from './linked-bus.js';

/** Name of the channel. PostgreSQL keeps the channels of its databases apart. */
const CHANNEL = 'scrollback_changes';

/** A payload of NOTIFY must have less than 8000 bytes. */
const MAX_PAYLOAD_BYTES = 7999;

/** LISTEN and NOTIFY of PostgreSQL: no further component, one lane. What does not fit into a payload travels as a version only. */
class PostgresLink implements BusLink {
  readonly lanes = 1;
  readonly beatLanes = [0];
  readonly maxMessageBytes = MAX_PAYLOAD_BYTES;

  constructor(private readonly channel: NotificationChannel) {}

  joinedLane(): number {
    return 0;
  }

  async open({ onMessage, onLost }: LinkListener): Promise<void> {
    await this.channel.open(CHANNEL, { onNotification: (payload) => onMessage(Buffer.from(payload), 0), onLost });
  }

  async send(messages: readonly LaneMessage[]): Promise<void> {
    await this.channel.notify(messages.map(({ bytes }) => bytes.toString()));
  }

  close(): void {
    this.channel.close();
  }
}

/**
 * The bus over PostgreSQL.
 *
 * @remarks NOTIFY takes a lock of the whole server at its commit, so it is sent by itself after the changes are committed, on a
 * connection of its own, some milliseconds' worth at a time. Never in a transaction with anything else, and never by a trigger.
 */
export class PostgresBus extends LinkedBus {
  constructor(channel: NotificationChannel) {
    super('postgres', new PostgresLink(channel));
  }
}
