import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { errorText } from '../../common/error-fields.js';
import { settlesWithin } from '../../storage/embedded/wait-until.js';
import { HeadRepository, type ChangedHead, type HeadPoll } from '../../storage/head-repository.js';
import { CacheState } from '../cache-state.js';
import { ChangeApplier } from '../write/change-applier.js';
import { COHERENCE_BUS, type CoherenceBus } from './bus/coherence-bus.js';
import { Continuity } from './continuity.js';

/** Pairs of chats and users that one query may ask about. */
const MEMBERSHIP_LIMIT = 5000;

/** Queries about memberships in one look. Past this it is cheaper to forget every user's index, and looks stay short. */
const MEMBERSHIP_QUERIES = 4;

/** Held chats that one query compares with the database after the server has broken off. */
const COMPARED_CHATS = 5000;

/** Between two looks while peers cannot be heard. Less would cost the database more than it gains, more would show. */
const SUSPECT_POLL_MS = 100;

/** Between two looks at least, however often somebody asks for one. */
const SOON_MS = 50;

/** A look on its way gets this long at the end. */
const STOP_MS = 1000;

/**
 * Looks into the database, again and again, for what others have changed: other instances, an import, another service, a person. What
 * it finds makes entries behind (`protocol.ts`); what this instance wrote itself, or heard of from a peer, it finds already applied.
 */
@Injectable()
export class Poller implements OnApplicationShutdown {
  readonly #logger = new Logger('Coherence');
  readonly #continuity = new Continuity();
  #horizon: string | undefined;
  /** History that the horizon is of: ids of transactions tell nothing in another. */
  #horizonEpoch: string | undefined;
  /** Chats of the last look, with the versions whose members are known. */
  #asked: ReadonlyMap<string, number> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStarted = false;
  #isStopped = false;
  #isFailing = false;
  #startedAtMs = 0;

  constructor(
    private readonly heads: HeadRepository,
    private readonly applier: ChangeApplier,
    private readonly state: CacheState,
    @Inject(COHERENCE_BUS) private readonly bus: Pick<CoherenceBus, 'name' | 'isHealthy'>,
  ) {}

  /** Takes the first look, so that fills which begin later miss nothing, and goes on from there. */
  async start(): Promise<void> {
    await this.pollOnce();
    this.#isStarted = true;
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

  /** Takes a look that begins after this call. @throws what the database throws. */
  async pollAgain(): Promise<void> {
    await this.#running?.catch(() => undefined);
    await this.pollOnce();
  }

  /** Takes a look as soon as possible, one that begins after this call. */
  pollSoon(): void {
    if (this.#isStarted) this.#plan(Math.max(0, this.#startedAtMs + SOON_MS - performance.now()));
  }

  async onApplicationShutdown(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    // The connections are closed next, whatever they wait for.
    if (this.#running !== undefined) await settlesWithin(this.#running, STOP_MS);
  }

  get #paceMs(): number {
    const { pollMs } = this.state.options;
    const isSuspect = this.bus.name !== 'none' && !this.bus.isHealthy;
    return isSuspect ? Math.min(pollMs, SUSPECT_POLL_MS) : pollMs;
  }

  #plan(delayMs = this.#paceMs): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tick(), delayMs);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    // One that is on its way may have begun too early for who has asked for this one.
    await this.#running?.catch(() => undefined);
    try {
      await this.pollOnce();
      if (this.#isFailing) this.#logger.log('The database answers again.');
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#logger.warn(`Cannot look for changes: ${errorText(error)}`);
      this.#isFailing = true;
    }
    this.#plan();
  }

  async #poll(): Promise<void> {
    this.#startedAtMs = performance.now();
    const { lease } = this.state;
    let start = lease.now();
    let first = await this.heads.poll(this.#horizon);
    const { run } = first;
    // From here on nothing is taken from peers that is of the run before.
    this.state.run = run;
    // Where a reader in doubt has found the new history before, what was loaded since then may have changed unseen.
    let isAnother = first.epoch !== this.#horizonEpoch || first.epoch !== this.state.epoch;
    const isBroken = !isAnother && !this.#continuity.isUnbroken(first);
    if (isBroken) {
      const horizon = this.#continuity.durableHorizon;
      // Not so long ago this instance has begun, or the history: there is little to lose.
      if (horizon === undefined) isAnother = true;
      else {
        // Before the look that goes back: a lost version that is given out again after the comparison is above what that told, and one that was
        // given out before is found by the look.
        await this.#forgetLost();
        start = lease.now();
        first = await this.heads.poll(horizon);
        isAnother = first.epoch !== this.state.epoch || BigInt(first.horizon) < BigInt(horizon);
      }
    }
    const answeredAt = lease.now();
    if (isAnother) await this.#beginEpoch(first, isBroken);
    const asked = new Map<string, number>();
    for (let part = first; ; part = await this.heads.poll(undefined, part.next)) {
      // A version of shortly before the break may have been given out twice.
      if (isBroken) for (const { chatId } of part.changed) this.applier.forget(chatId);
      await this.#note(part.changed, asked);
      if (part.next === undefined) break;
    }
    this.#asked = asked;
    this.#horizon = first.horizon;
    this.#horizonEpoch = first.epoch;
    // The run that what is held was compared with: there may have been another break since.
    this.#continuity.note({ ...first, run }, start, answeredAt);
    this.state.comparedRun = run;
    this.state.lease.confirm(start);
    this.state.hearsPeers = this.bus.isHealthy;
  }

  async #beginEpoch({ epoch, run }: HeadPoll, isBroken: boolean): Promise<void> {
    if (this.state.epoch !== undefined) {
      const why = isBroken
        ? 'PostgreSQL has broken off, and what it may have lost cannot be told'
        : 'The database is another one than before, or was restored';
      this.#logger.warn(`${why}: everything held is dropped.`);
    }
    this.#continuity.reset();
    this.state.beginEpoch(epoch, run);
    // Until a look has come to its end: the horizon of before may be ahead of ids that are given out now.
    this.#horizon = undefined;
    this.#horizonEpoch = undefined;
    await this.heads.settle();
  }

  /**
   * Drops what is held at a version that the database does not have any more: it was committed without waiting for the disk, and lost when
   * the server broke off.
   */
  async #forgetLost(): Promise<void> {
    this.#logger.warn('PostgreSQL has broken off: what is held is compared with what it has kept.');
    this.state.board.voidAll();
    // A lost change that waits for those before it would be taken for what follows them now.
    this.state.early.clear();
    // A leave may have been lost, and a join been given its version.
    this.applier.onMembershipsUnknown();
    this.#asked = new Map();
    const held = [...this.state.store.chatIds];
    for (let from = 0; from < held.length; from += COMPARED_CHATS) {
      const chatIds = held.slice(from, from + COMPARED_CHATS);
      const { versions } = await this.heads.findVersions(chatIds);
      for (const chatId of chatIds) {
        const knownThrough = this.state.store.getChat(chatId)?.knownThrough ?? 0;
        if (knownThrough > (versions.get(chatId) ?? 0)) this.applier.forget(chatId);
      }
    }
  }

  async #note(changed: readonly ChangedHead[], asked: Map<string, number>): Promise<void> {
    const unknown: string[] = [];
    for (const { chatId, version } of changed) {
      this.state.noteVersion(chatId, version, 'poll');
      asked.set(chatId, version);
      // While somebody's transaction stays open, every look sees the same chats again.
      if (this.#asked.get(chatId) === version) continue;
      const entry = this.state.store.getChat(chatId);
      // Of who came into a chat whose changes were all heard of, and skipped, was heard as well.
      if (entry === undefined || entry.knownThrough < version) unknown.push(chatId);
    }
    await this.#findJoined(unknown);
  }

  /** Somebody whose index is held may have come into a chat that is not held, or is behind. */
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
