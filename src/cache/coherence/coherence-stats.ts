import { Injectable } from '@nestjs/common';
import type { RepairCause } from './protocol.js';

/** Told of every change that a peer has sent and that was applied here; the metrics listen. */
export interface LagObserver {
  /** @param seconds - from the peer's publishing to applying, by the two clocks' difference; never below 0. */
  onApplied(seconds: number): void;
}

/** Counts what coherence costs, in plain numbers. */
@Injectable()
export class CoherenceStats {
  readonly #repairs: Record<RepairCause, number> = { gap: 0, bus: 0, poll: 0, read: 0, lease: 0 };
  readonly #observers: LagObserver[] = [];

  /** Entries brought up to date by a query so far, by how it became known that they were behind. */
  get repairs(): Readonly<Record<RepairCause, number>> {
    return this.#repairs;
  }

  /** Counts a repair. */
  countRepair(cause: RepairCause): void {
    this.#repairs[cause]++;
  }

  /** Adds an observer for the life of the application. */
  observe(observer: LagObserver): void {
    this.#observers.push(observer);
  }

  /** Tells observers that a peer's change was applied. */
  noteLag(seconds: number): void {
    for (const observer of this.#observers) observer.onApplied(Math.max(0, seconds));
  }
}
