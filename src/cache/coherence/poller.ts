import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { HeadRepository } from '../../storage/head-repository.js';
import { CacheState } from '../cache-state.js';
import { ChangeApplier } from '../write/change-applier.js';

/** Pairs of chats and users that one query may ask about. */
const MEMBERSHIP_LIMIT = 5000;

/** Queries about memberships in one look. Past this it is cheaper to forget every user's index, and looks stay short. */
const MEMBERSHIP_QUERIES = 4;

/**
 * Looks into the database, again and again, for what others have changed, and makes the cache forget it: other
 * instances, an import, another service. What this instance wrote itself it finds already applied.
 */
@Injectable()
export class Poller implements OnApplicationShutdown {
  readonly #logger = new Logger('Coherence');
  #horizon: string | undefined;
  /** Chats of the last look, with the versions whose members are known. */
  #asked: ReadonlyMap<string, number> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #confirmedAtMs: number | undefined;
  #isFailing = false;

  constructor(
    private readonly heads: HeadRepository,
    private readonly applier: ChangeApplier,
    private readonly state: CacheState,
  ) {}

  /** Milliseconds since the start of the last look that succeeded, `undefined` before the first. */
  get lastConfirmedMs(): number | undefined {
    return this.#confirmedAtMs === undefined ? undefined : performance.now() - this.#confirmedAtMs;
  }

  /** Takes the first look, so that fills which begin later miss nothing, and goes on from there. */
  async start(): Promise<void> {
    await this.pollOnce();
    this.#plan();
  }

  /**
   * Takes one look. Looks never overlap: whoever asks during one waits for it.
   *
   * @throws what the database throws; the next look then begins at the same place.
   */
  pollOnce(): Promise<void> {
    this.#running ??= this.#poll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async onApplicationShutdown(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  #plan(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#tick(), this.state.options.pollMs);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    try {
      await this.pollOnce();
      if (this.#isFailing) this.#logger.log('The database answers again.');
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#logger.warn(`Cannot look for changes: ${String(error)}`);
      this.#isFailing = true;
    }
    this.#plan();
  }

  async #poll(): Promise<void> {
    const startedAtMs = performance.now();
    const { horizon, changed } = await this.heads.poll(this.#horizon);
    const unheld: string[] = [];
    for (const { chatId, version } of changed) {
      this.applier.onVersionSeen(chatId, version);
      // While somebody's transaction stays open, every look sees the same chats again.
      const isAsked = this.#asked.get(chatId) === version;
      if (!isAsked && this.state.store.getChat(chatId) === undefined) unheld.push(chatId);
    }
    await this.#findJoined(unheld);
    this.#asked = new Map(changed.map(({ chatId, version }) => [chatId, version]));
    this.#horizon = horizon;
    this.#confirmedAtMs = startedAtMs;
  }

  /** Somebody whose index is held may have come into a chat that is not. */
  async #findJoined(chatIds: readonly string[]): Promise<void> {
    const userIds = [...this.state.store.userIds, ...this.state.userFills.keys()];
    if (chatIds.length === 0 || userIds.length === 0) return;
    if (chatIds.length * userIds.length > MEMBERSHIP_LIMIT * MEMBERSHIP_QUERIES) {
      this.applier.onMembershipsUnknown();
      return;
    }
    const step = Math.max(1, Math.floor(MEMBERSHIP_LIMIT / userIds.length));
    for (let from = 0; from < chatIds.length; from += step) {
      for (const { chatId, userId } of await this.heads.findMemberships(chatIds.slice(from, from + step), userIds)) {
        this.applier.onMembershipSeen(userId, chatId);
      }
    }
  }
}
