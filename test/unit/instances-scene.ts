import { expect } from '@jest/globals';
import type fc from 'fast-check';
import { ScrollbackError } from '../../src/common/scrollback-error.js';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { expectHeldAs, expectHeldAsInDatabase, expectLedger, jsonOf, itemsOf } from './cache-expectations.js';
import { CacheUnderTest } from './cache-under-test.js';
import { FakeDatabase, isMember, type Write } from './fake-database.js';
import { LossyNetwork, type BusMessage, type LossyBus } from './lossy-bus.js';
import { sampleChatId } from './sample-records.js';

/** The chats of the scene: one of more than a block, a short one, and one that is not there at first. */
export const CHATS = [sampleChatId(1), sampleChatId(2), sampleChatId(3)] as const;

/** Who is in them, or may come to be. */
export const USERS = ['alice', 'bob', 'carol'] as const;

/** Last message of the longest chat at the beginning. */
export const LONG_SEQ = BLOCK_SIZE + 6;

/** How old an answer may be. */
export const BOUND_MS = 5000;

/** A transaction of one instance. */
export interface Transaction {
  readonly chatId: string;
  readonly writes: readonly Write[];
  /** `lost`: it is committed and nobody is told; `never`: it is not, and nobody is told either. */
  readonly answer: 'comes' | 'lost' | 'never';
}

/** A read on one instance. */
export type Read =
  { readonly type: 'chat' | 'page'; readonly chatId: string } | { readonly type: 'inbox'; readonly userId: string };

interface Instance {
  readonly name: string;
  readonly tested: CacheUnderTest;
  readonly bus: LossyBus;
  /** Versions that it has shown, or been told of by who may rely on it, in the present history. */
  readonly seen: Map<string, number>;
  /** Versions at the last look at what it holds, of the histories that it and the database were in. */
  held: { readonly history: string; readonly versions: ReadonlyMap<string, number> };
}

/** Two instances on one database, with a bus between them that loses, delays, repeats and reorders. Every step waits for its turn. */
export class InstancesScene {
  readonly database = new FakeDatabase();
  readonly instances: readonly [Instance, Instance];
  /** Messages of the bus on their way. */
  readonly messages: Promise<void>[] = [];
  #nowMs = 0;
  #sent = 0;
  #unannounced = 0;
  #restoredAtMs = -Infinity;
  readonly #commits: { readonly chatId: string; readonly version: number; readonly atMs: number }[] = [];
  /** Statements that have read and whose answers have not come. */
  readonly #answers = new Set<{ isLost: boolean }>();
  /** What held entries were when they were last looked at. */
  readonly #checked = new WeakMap<object, string>();

  /** @param fates - how often each message of the bus comes, in turn. */
  constructor(
    private readonly scheduler: fc.Scheduler,
    maxBytes: number,
    private readonly fates: readonly number[],
  ) {
    this.database.commit(CHATS[0], { type: 'create', userIds: ['alice', 'bob'], lastSeq: LONG_SEQ });
    this.database.commit(CHATS[1], { type: 'create', userIds: ['bob', 'carol'], lastSeq: 3 });
    const network = new LossyNetwork((message) => this.#carry(message));
    const make = (name: string, maxUnseenChanges?: number): Instance => {
      const bus = network.connect();
      const tested = new CacheUnderTest(this.database, (step) => this.#pass(`${name}: ${step}`), {
        maxBytes,
        bus,
        stalenessBoundMs: BOUND_MS,
        clock: () => ({ monotonicMs: this.#nowMs, wallMs: this.#nowMs }),
        ...(maxUnseenChanges === undefined ? {} : { maxUnseenChanges }),
      });
      return { name, tested, bus, seen: new Map(), held: { history: '', versions: new Map() } };
    };
    // The other one soon skips what nobody reads there.
    this.instances = [make('one'), make('other', 1)];
  }

  /** Both listen and take their first look. */
  async start(): Promise<void> {
    for (const { tested } of this.instances) {
      await tested.peers.start();
      await tested.poller.pollOnce();
    }
  }

  async write(instance: Instance, { chatId, writes, answer }: Transaction): Promise<void> {
    await this.#turn(`${instance.name} commits ${JSON.stringify(writes)}, the answer ${answer}`);
    const changes = answer === 'never' ? [] : writes.flatMap((each) => this.database.commit(chatId, each) ?? []);
    const version = changes.at(-1)?.version;
    if (version !== undefined) this.#commits.push({ chatId, version, atMs: this.#nowMs });
    this.#unannounced++;
    await this.#turn(`${instance.name} announces`);
    this.#unannounced--;
    if (answer !== 'comes') {
      instance.tested.announceUnknown(chatId);
    } else if (version !== undefined) {
      instance.tested.announce(chatId, ...changes);
      this.#raise(instance, chatId, version);
    }
  }

  async purge(chatId: string): Promise<void> {
    await this.#turn('somebody deletes the oldest rows');
    this.database.purge(chatId, 2);
  }

  /** The database is put back; what it was asked before is not answered. Not between a COMMIT's answer and its announcement: that is one turn of the process. */
  async restore(chatId: string, back: number): Promise<void> {
    await this.#turn('the database is restored');
    const { version } = this.database.state(chatId);
    if (this.#unannounced > 0 || version <= back) return;
    this.database.restore(chatId, version - back);
    this.#restoredAtMs = this.#nowMs;
    this.#commits.length = 0;
    for (const answer of this.#answers) answer.isLost = true;
    for (const { seen } of this.instances) seen.clear();
  }

  async passTime(ms: number): Promise<void> {
    await this.#turn(`${ms} ms pass`);
    this.#nowMs += ms;
  }

  async poll(instance: Instance): Promise<void> {
    await this.#turn(`${instance.name} polls`);
    const { epoch } = this.database;
    const versions = CHATS.map((chatId) => [chatId, this.database.state(chatId).version] as const);
    try {
      await instance.tested.poller.pollAgain();
    } catch (error) {
      this.#expectOutage(error);
      return;
    }
    if (epoch !== this.database.epoch) return;
    for (const [chatId, version] of versions) this.#raise(instance, chatId, version);
  }

  async read(instance: Instance, wanted: Read): Promise<void> {
    await this.#turn(`${instance.name} reads ${JSON.stringify(wanted)}`);
    const { cache, state: known } = instance.tested;
    const { epoch } = this.database;
    const hasNoticed = known.epoch === epoch;
    const startMs = this.#nowMs;
    try {
      if (wanted.type === 'inbox') {
        await cache.getUserChats(wanted.userId);
        return;
      }
      const { chatId } = wanted;
      const least = this.#leastVersion(instance, chatId, startMs);
      const answer = await (wanted.type === 'chat' ? cache.getChat(chatId) : cache.getMessages(chatId, { limit: 200 }));
      // A restore in the middle of a read leaves it to be of the one history or of the other.
      if (epoch !== this.database.epoch || answer?.source === 'stale') return;
      const isBound = instance.tested.state.epoch === epoch || startMs > this.#restoredAtMs + BOUND_MS;
      if (!isBound) return;
      if (answer === undefined) {
        expect(this.database.statesSince(chatId, least).some(({ chat }) => chat === undefined)).toBe(true);
        return;
      }
      expect(answer.version).toBeGreaterThanOrEqual(least);
      const state = this.database.state(chatId, answer.version);
      const text = answer.toBuffer().toString();
      if (wanted.type === 'chat') expect(text).toBe(jsonOf(chatId, state));
      else expect(text).toContain(`"items":[${itemsOf(state, 1, state.lastSeq)}],`);
      this.#raise(instance, chatId, answer.version);
    } catch (error) {
      // What it heard of the history before the restore is not to be had any more: it says so until it has noticed.
      const isOfHistoryBefore = !hasNoticed || epoch !== this.database.epoch;
      if (isOfHistoryBefore && error instanceof ScrollbackError && error.code === 'version_not_reached') return;
      this.#expectOutage(error);
    }
  }

  /** When nothing is on its way any more, both show what the database has, and hold nothing else. */
  async settle(): Promise<void> {
    for (const instance of this.instances) {
      await instance.tested.poller.pollAgain();
      for (const chatId of CHATS) {
        await this.read(instance, { type: 'chat', chatId });
        await this.read(instance, { type: 'page', chatId });
      }
      for (const userId of USERS) {
        const { items } = (await instance.tested.cache.getUserChats(userId)).value;
        const expected = CHATS.filter((chatId) => isMember(this.database.state(chatId), userId));
        expect(items.map(({ chat }) => chat.id).toSorted()).toEqual(expected);
      }
      const { store } = instance.tested.state;
      for (const chatId of store.chatIds) expectHeldAsInDatabase(instance.tested, this.database, chatId);
    }
    this.#validate();
  }

  /** Statements fail at a restore alone; who joins a fill may learn of it later. */
  #expectOutage(error: unknown): void {
    if (!(error instanceof ScrollbackError) || this.#restoredAtMs === -Infinity) throw error;
    expect(error).toMatchObject({ code: 'database_unavailable' });
  }

  /** What a read that begins now has to show at least: what the instance has shown before, and what is older than the bound. */
  #leastVersion(instance: Instance, chatId: string, nowMs: number): number {
    const old = this.#commits.filter((commit) => commit.chatId === chatId && commit.atMs < nowMs - BOUND_MS);
    return Math.max(instance.seen.get(chatId) ?? 0, ...old.map(({ version }) => version));
  }

  #raise({ tested, seen }: Instance, chatId: string, version: number): void {
    if (tested.state.epoch === this.database.epoch) seen.set(chatId, Math.max(seen.get(chatId) ?? 0, version));
  }

  #carry(message: BusMessage): void {
    const times = this.fates[this.#sent++ % this.fates.length]!;
    const to = this.instances.find(({ bus }) => bus === message.to)!;
    for (let time = 0; time < times; time++) this.messages.push(this.#deliver(to, message));
  }

  async #deliver(to: Instance, message: BusMessage): Promise<void> {
    await this.#turn(`${to.name} hears of it`);
    message.to.deliver(message);
    if (message.run !== to.tested.state.run) return;
    this.#raise(to, message.changes.chatId, message.changes.changes.at(-1)!.version);
  }

  async #turn(step: string): Promise<void> {
    await this.scheduler.schedule(Promise.resolve(), step);
    this.#validate();
  }

  async #pass(step: string): Promise<void> {
    const answer = { isLost: false };
    if (!step.endsWith('reads')) this.#answers.add(answer);
    await this.#turn(step);
    this.#answers.delete(answer);
    if (answer.isLost) throw new ScrollbackError('database_unavailable', 'The connection broke.');
  }

  /** What holds between any two steps. */
  #validate(): void {
    for (const instance of this.instances) {
      const { state } = instance.tested;
      expectLedger(state.store);
      const history = `${state.epoch} ${this.database.epoch}`;
      const isSame = history === instance.held.history;
      const versions = new Map(isSame ? instance.held.versions : []);
      for (const chatId of state.store.chatIds) {
        const entry = state.store.getChat(chatId)!;
        const look = `${entry.version} ${entry.heardVersion} ${[...entry.blocks.keys()].join()}`;
        // Until an instance has noticed a restore, what it holds may be of the history before.
        if (state.epoch !== this.database.epoch || this.#checked.get(entry) === look) continue;
        expect(entry.heardVersion).toBeGreaterThanOrEqual(entry.version);
        expect(entry.version).toBeGreaterThanOrEqual(versions.get(chatId) ?? 0);
        expectHeldAs(entry, this.database.state(chatId, entry.version));
        versions.set(chatId, entry.version);
        this.#checked.set(entry, look);
      }
      instance.held = { history, versions };
    }
  }
}
