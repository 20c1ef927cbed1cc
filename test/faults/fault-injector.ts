import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import type { DurableDatabase } from './durable-database.js';
import { BURDENS, STRIKES, type FaultKind, type PlannedFault } from './fault-plan.js';
import type { HttpLine } from './http-line.js';
import type { InstanceProcess } from './instance-process.js';

/** What faults are done to. */
export interface FaultTargets {
  readonly instance: InstanceProcess;
  readonly database: DurableDatabase;
  readonly lines: readonly HttpLine[];
  /** The chat that is written to most. */
  readonly hotChatId: string;
}

/** How often a fault was done, and what it hit in all. */
export interface FaultCount {
  times: number;
  hit: number;
}

/** What the hits of a kind are. */
export const HITS: Readonly<Record<FaultKind, string>> = {
  'instance killed': 'requests under way',
  'database stopped at once': 'requests under way',
  'database process killed': 'requests under way',
  'database connections cut': 'connections',
  'client connections cut': 'requests under way',
  'slow disk': 'commits seen waiting',
  'commits held': 'commits seen waiting',
  'head locked': 'statements seen waiting',
};

/** How long a burden may last until somebody feels it. */
const FELT_LIMIT_MS = 5_000;

/** Does faults, and counts them. */
export class FaultInjector {
  readonly counts = new Map<FaultKind, FaultCount>(
    [...STRIKES, ...BURDENS].map((kind) => [kind, { times: 0, hit: 0 }]),
  );

  constructor(private readonly targets: FaultTargets) {}

  /** Does one, and resolves when it is over and what was struck is back. */
  async inject({ kind, lengthMs, way }: PlannedFault): Promise<void> {
    const hit = await this.#do(kind, lengthMs, way);
    const count = this.counts.get(kind)!;
    count.times++;
    count.hit += hit;
  }

  async #do(kind: FaultKind, lengthMs: number, way: number): Promise<number> {
    const { database, hotChatId } = this.targets;
    const underWay = this.#underWay;
    switch (kind) {
      case 'instance killed':
        await this.#killInstance(lengthMs, way);
        return underWay;
      case 'database stopped at once':
        await database.stopImmediately(lengthMs);
        return underWay;
      case 'database process killed':
        await database.killBackend();
        return underWay;
      case 'database connections cut':
        return this.#repeat(lengthMs, () => database.terminateBackends());
      case 'client connections cut':
        return this.#repeat(lengthMs, () => this.#cutClients());
      case 'slow disk':
        return this.#slowDisk(lengthMs);
      case 'commits held':
        return this.#holdCommits(lengthMs, way);
      case 'head locked': {
        let waiting = 0;
        await database.lockHead(hotChatId, async () => {
          waiting = await this.#feel(lengthMs, () => database.countWaiting('Lock'));
        });
        return waiting;
      }
    }
  }

  get #underWay(): number {
    return this.targets.lines.reduce((sum, line) => sum + line.underWay, 0);
  }

  /** Now and then a start is killed as well. */
  async #killInstance(downMs: number, way: number): Promise<void> {
    const { instance } = this.targets;
    await instance.kill();
    await sleep(downMs / 2);
    if (way < 0.3) await instance.startAndKill(3000 * way);
    await instance.start();
  }

  #cutClients(): number {
    return this.targets.lines.reduce((sum, line) => sum + line.cut(), 0);
  }

  /** A few times, one soon after the other: what is cut comes back in the middle of it. */
  async #repeat(lengthMs: number, cut: () => number | Promise<number>): Promise<number> {
    let hit = await cut();
    for (let left = Math.floor(lengthMs / 300); left > 0; left--) {
      await sleep(100);
      hit += await cut();
    }
    return hit;
  }

  /**
   * Every commit takes 100 ms: with `commit_siblings` at 0 PostgreSQL sleeps `commit_delay` before each flush of its log,
   * alone or not. That is how a commit on a slow disk looks to who waits for it: `fsync` of the log takes as long.
   */
  async #slowDisk(lengthMs: number): Promise<number> {
    const { database } = this.targets;
    await database.configure({ commit_siblings: '0', commit_delay: '100000' });
    const waiting = await this.#feel(lengthMs, () => database.countCommitting());
    await database.configure({ commit_siblings: undefined, commit_delay: undefined });
    return waiting;
  }

  /**
   * A disk that does not answer at all, for a while: commits wait for a standby that does not exist, with their locks held and
   * nobody seeing them, though they are in the log. Then they are let go by the setting or, with their outcome unknown to
   * the instance, by throwing out the connections. Strikes meanwhile make the crashes between a commit and its answer.
   */
  async #holdCommits(lengthMs: number, way: number): Promise<number> {
    const { database } = this.targets;
    await database.configure({ synchronous_standby_names: 'nobody' });
    const waiting = await this.#feel(lengthMs, () => database.countWaiting('IPC', 'SyncRep'));
    if (way < 0.5) await database.terminateBackends();
    await database.configure({ synchronous_standby_names: undefined });
    return waiting;
  }

  /** Lets a burden last for its time, and until somebody feels it. @returns how many were seen to feel it, at the most. */
  async #feel(lengthMs: number, count: () => Promise<number>): Promise<number> {
    let most = 0;
    const look = async (): Promise<boolean> => {
      most = Math.max(most, await count());
      return most > 0;
    };
    await waitUntil(look, FELT_LIMIT_MS);
    await sleep(lengthMs);
    return most;
  }
}
