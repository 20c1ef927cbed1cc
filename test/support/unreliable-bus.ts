import type { BusListener, CoherenceBus, HeardChanges } from '../../src/cache/coherence/bus/coherence-bus.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { ChatChanges, Committed } from '../../src/storage/write/change.js';

/** What an {@link UnreliableBus} does to what is heard: shares from 0 to 1. */
export interface Unreliability {
  /** Never comes. */
  readonly lose: number;
  /** Comes again, later. */
  readonly repeat: number;
  /** Comes after others that were published later. */
  readonly delay: number;
  /** Longest delay in milliseconds. */
  readonly maxDelayMs: number;
}

/** A bus that does all that a bus may do: loses, delays, repeats and reorders what is heard, as a seed decides. */
export class UnreliableBus implements CoherenceBus {
  readonly #random: SeededRandom;
  readonly #waiting = new Map<NodeJS.Timeout, () => void>();
  #lost = 0;

  constructor(
    private readonly bus: CoherenceBus,
    private readonly unreliability: Unreliability,
    seed: number,
  ) {
    this.#random = new SeededRandom(seed);
  }

  get name(): CoherenceBus['name'] {
    return this.bus.name;
  }

  get isHealthy(): boolean {
    return this.bus.isHealthy;
  }

  /** What was not passed on so far. */
  get lost(): number {
    return this.#lost;
  }

  start(listener: BusListener): Promise<void> {
    return this.bus.start({
      wants: (chatId, concernsMembers) => listener.wants(chatId, concernsMembers),
      onGap: () => listener.onGap(),
      onHeard: (heard) => this.#pass(listener, heard),
    });
  }

  publish(run: string, changes: Committed<ChatChanges>): void {
    this.bus.publish(run, changes);
  }

  async stop(): Promise<void> {
    await this.bus.stop();
    this.release();
  }

  /** Passes on at once what was delayed, in another order. */
  release(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [timer] of waiting) clearTimeout(timer);
    while (waiting.length > 0) {
      const [[, deliver]] = waiting.splice(this.#random.integer(waiting.length), 1) as [[unknown, () => void]];
      deliver();
    }
  }

  #pass(listener: BusListener, heard: HeardChanges): void {
    const { lose, repeat, delay } = this.unreliability;
    const [fate, again] = [this.#random.next(), this.#random.next()];
    if (fate < lose) this.#lost++;
    else if (fate < lose + delay) this.#hold(() => listener.onHeard(heard));
    else listener.onHeard(heard);
    if (fate >= lose && again < repeat) this.#hold(() => listener.onHeard(heard));
  }

  #hold(deliver: () => void): void {
    const delayMs = this.#random.integer(this.unreliability.maxDelayMs + 1);
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      deliver();
    }, delayMs);
    this.#waiting.set(timer, deliver);
  }
}
