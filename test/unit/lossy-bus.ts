import type { BusListener, CoherenceBus } from '../../src/cache/coherence/bus/coherence-bus.js';
import type { ChatChanges, Committed } from '../../src/storage/write/change.js';

/** What becomes of a message on its way to one listener: it may be delivered later, more than once, or never. */
export type Carrier = (deliver: () => void) => void;

/** Delivers every message at once. */
const atOnce: Carrier = (deliver) => deliver();

/** Connects the buses of instances in memory. */
export class LossyNetwork {
  readonly #buses: LossyBus[] = [];

  constructor(private readonly carry: Carrier = atOnce) {}

  /** Makes the bus of one more instance. */
  connect(): LossyBus {
    const bus = new LossyBus((epoch, changes) => {
      for (const each of this.#buses) if (each !== bus) this.carry(() => each.deliver(epoch, changes));
    });
    this.#buses.push(bus);
    return bus;
  }
}

/** A bus that loses, delays, repeats and reorders as its network does. */
export class LossyBus implements CoherenceBus {
  readonly name = 'redis';
  readonly isHealthy = true;
  #listener: BusListener | undefined;

  constructor(private readonly send: (epoch: string, changes: Committed<ChatChanges>) => void) {}

  start(listener: BusListener): Promise<void> {
    this.#listener = listener;
    return Promise.resolve();
  }

  publish(epoch: string, changes: Committed<ChatChanges>): void {
    this.send(epoch, changes);
  }

  stop(): Promise<void> {
    this.#listener = undefined;
    return Promise.resolve();
  }

  /** The connection is there again: what was published meanwhile may be lost. */
  reconnect(): void {
    this.#listener?.onGap();
  }

  /** What a peer has published comes. */
  deliver(epoch: string, changes: Committed<ChatChanges>): void {
    const { chatId } = changes;
    const concernsMembers = changes.changes.some(({ type }) => type === 'created' || type === 'participant');
    const isWanted = this.#listener?.wants(chatId, concernsMembers) === true;
    const heard = { chatId, epoch, version: changes.changes.at(-1)!.version, publishedAtMs: Date.now() };
    this.#listener?.onHeard(isWanted ? { ...heard, changes } : heard);
  }
}
