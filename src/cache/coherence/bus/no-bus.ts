import type { CoherenceBus } from './coherence-bus.js';

/** Tells nobody anything: peers find by their polls what was committed. */
export class NoBus implements CoherenceBus {
  readonly name = 'none';
  readonly isHealthy = false;

  start(): Promise<void> {
    return Promise.resolve();
  }

  publish(): void {}

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
