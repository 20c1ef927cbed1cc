import { Inject, Injectable, Optional, type BeforeApplicationShutdown } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { COHERENCE_BUS, type CoherenceBus } from '../cache/coherence/bus/coherence-bus.js';
import { CacheState } from '../cache/cache-state.js';
import { Warmer } from '../cache/lifecycle/warmer.js';
import { SharedChats } from '../cache/shared/shared-chats.js';
import { DatabaseProbe } from '../storage/database-probe.js';

/** What health checks ask the parts of an instance. No check waits longer than a second. */
@Injectable()
export class HealthService implements BeforeApplicationShutdown {
  #isDraining = false;

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly probe: DatabaseProbe,
    private readonly warmer: Warmer,
    private readonly cacheState: CacheState,
    @Inject(COHERENCE_BUS) private readonly bus: Pick<CoherenceBus, 'name' | 'isHealthy'>,
    /** `undefined`: instances share no chats in Redis. */
    @Optional() @Inject(SharedChats) private readonly shared: Pick<SharedChats, 'isAnswering'> | undefined,
  ) {}

  /** Whether the instance is going away. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** From now on the instance is not ready: whoever routes requests is to send them elsewhere. */
  startDraining(): void {
    this.#isDraining = true;
  }

  beforeApplicationShutdown(): void {
    this.startDraining();
  }

  /** Whether the database answers. */
  async database(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('database');
    return (await this.probe.isUp()) ? indicator.up() : indicator.down('the database does not answer');
  }

  /** Whether the start is over: warm, or past the deadline. Once over it stays over, also while draining. */
  startup(): HealthIndicatorResult {
    const indicator = this.indicators.check('cache');
    return this.warmer.isReady ? indicator.up(this.#warmth()) : indicator.down(this.#warmth());
  }

  /** Whether the cache may serve: warm, or past the deadline; and not while draining. */
  cache(): HealthIndicatorResult {
    const indicator = this.indicators.check('cache');
    const details = this.#isDraining ? { ...this.#warmth(), state: 'draining' } : this.#warmth();
    return this.warmer.isReady && !this.#isDraining ? indicator.up(details) : indicator.down(details);
  }

  #warmth(): { state: string; chats: number; totalChats: number; messages: number; seconds: number } {
    const { state, chats, totalChats, messages, seconds } = this.warmer.status;
    return { state, chats, totalChats, messages, seconds: Math.round(seconds * 1000) / 1000 };
  }

  /** Whether what is held is known to be current, and since when. */
  coherence(): HealthIndicatorResult {
    const { lastConfirmedMs, isInDoubt } = this.cacheState.lease;
    const indicator = this.indicators.check('coherence');
    const details = {
      inDoubt: isInDoubt,
      lastConfirmedMs: lastConfirmedMs === undefined ? null : Math.round(lastConfirmedMs),
    };
    return isInDoubt ? indicator.down(details) : indicator.up(details);
  }

  /**
   * Whether Redis carries what instances tell each other, and what they share; nothing where it does neither. Without it changes are found by polls,
   * and chats in the database, so it never makes an instance unready: its state is told, and an alert is for what watches it.
   */
  async redis(): Promise<HealthIndicatorResult> {
    const isBus = this.bus.name === 'redis';
    if (!isBus && this.shared === undefined) return {};
    const indicator = this.indicators.check('redis');
    const isConnected =
      (!isBus || this.bus.isHealthy) && (this.shared === undefined || (await this.shared.isAnswering()));
    return indicator.up({ state: isConnected ? 'connected' : 'away' });
  }
}
