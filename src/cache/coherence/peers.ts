import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { ChatChanges, Committed } from '../../storage/write/change.js';
import { ChangeFeed, type ChangeListener } from '../../storage/write/change-feed.js';
import { CacheState } from '../cache-state.js';
import { ChangeApplier } from '../write/change-applier.js';
import { COHERENCE_BUS, type BusListener, type CoherenceBus, type HeardChanges } from './bus/coherence-bus.js';
import { CoherenceStats } from './coherence-stats.js';
import { Poller } from './poller.js';

/** Stands between this instance and its peers: publishes what was committed here, and applies what they publish. */
@Injectable()
export class Peers implements ChangeListener, BusListener, OnApplicationShutdown {
  constructor(
    @Inject(COHERENCE_BUS) private readonly bus: CoherenceBus,
    private readonly applier: ChangeApplier,
    private readonly poller: Poller,
    private readonly state: CacheState,
    private readonly stats: CoherenceStats,
    feed: ChangeFeed,
  ) {
    feed.subscribe(this);
  }

  /** Begins to listen. To be called before the first poll: what is published after it is not lost. */
  async start(): Promise<void> {
    await this.bus.start(this);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.bus.stop();
  }

  onCommitted(changes: Committed<ChatChanges>): void {
    const { run } = this.state;
    if (run !== undefined) this.bus.publish(run, changes);
  }

  onVersionSeen(): void {}

  onOutcomeUnknown(): void {}

  wants(chatId: string, concernsMembers: boolean): boolean {
    // Who comes into a chat that is not held belongs into the index of theirs that may be.
    if (concernsMembers || this.state.board.has(chatId)) return true;
    const entry = this.state.store.getChat(chatId);
    return entry !== undefined && this.state.isSought(entry);
  }

  onHeard({ chatId, run, version, skippedFrom, changes, publishedAtMs }: HeardChanges): void {
    if (run !== this.state.run) {
      // One of us has not noticed yet that the database is another one than before, or has broken off and may have lost what is told.
      this.poller.pollSoon();
      return;
    }
    if (changes !== undefined) {
      this.applier.onHeard(changes);
      this.stats.noteLag((Date.now() - publishedAtMs) / 1000);
    } else if (skippedFrom !== undefined) {
      this.state.noteSkipped(chatId, skippedFrom, version);
    } else {
      this.state.noteVersion(chatId, version, 'bus');
    }
  }

  onGap(): void {
    this.poller.pollSoon();
  }
}
