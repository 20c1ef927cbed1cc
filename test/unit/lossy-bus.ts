import type { BusListener, CoherenceBus } from '../../src/cache/coherence/bus/coherence-bus.js';
import type { ChatChanges, Committed } from '../../src/storage/write/change.js';

/** What an instance has published, on its way to one of the others. */
export interface BusMessage {
  readonly to: LossyBus;
  readonly run: string;
  readonly changes: Committed<ChatChanges>;
}

/** Decides what becomes of a message: whether {@link LossyBus.deliver} is called for it at once, later, more than once, or never. */
export type Carrier = (message: BusMessage) => void;

/** Connects the buses of instances in memory. */
export class LossyNetwork {
  readonly #buses: LossyBus[] = [];

  constructor(private readonly carry: Carrier) {}

  /** Makes the bus of one more instance. */
  connect(): LossyBus {
    const bus = new LossyBus((run, changes) => {
      for (const to of this.#buses) if (to !== bus) this.carry({ to, run, changes });
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

  constructor(private readonly send: (run: string, changes: Committed<ChatChanges>) => void) {}

  start(listener: BusListener): Promise<void> {
    this.#listener = listener;
    return Promise.resolve();
  }

  publish(run: string, changes: Committed<ChatChanges>): void {
    this.send(run, changes);
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
  deliver({ run, changes }: Pick<BusMessage, 'run' | 'changes'>): void {
    const { chatId } = changes;
    const concernsMembers = changes.changes.some(({ type }) => type === 'created' || type === 'participant');
    const isWanted = this.#listener?.wants(chatId, concernsMembers) === true;
    this.#listener?.onHeard({
      chatId,
      run,
      version: changes.changes.at(-1)!.version,
      changes: isWanted ? changes : undefined,
      skippedFrom: isWanted ? undefined : changes.changes[0]!.version,
      publishedAtMs: Date.now(),
    });
  }
}
