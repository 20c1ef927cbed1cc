import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import type { PlannedFault } from '../faults/fault-plan.js';
import type { FaultCount } from '../faults/fault-injector.js';
import type { CoherenceSite } from './coherence-site.js';
import type { SharedChat } from './crowd.js';
import type { HandEditor } from './hand-editor.js';
import type { WanderingClient } from './wandering-client.js';

/** What is done to instances, one at a time: the others go on. */
export const INSTANCE_FAULTS = [
  'instance killed',
  'instance paused',
  'writer killed in commit',
  'connections cut',
  'clock set',
] as const;

/** What is done to the database and to all. */
export const DATABASE_FAULTS = [
  'database stopped at once',
  'database connections cut',
  'long edit by hand',
  'long foreign transaction',
  'heads locked',
] as const;

/** What is done to the ways by which an instance reaches the others and the database. */
export const NETWORK_FAULTS = ['database out of reach'] as const;

/** What is done to Redis and to the ways to it. */
export const REDIS_FAULTS = ['Redis killed', 'Redis out of reach', 'Redis slow', 'Redis connections cut'] as const;

/** A kind of fault. */
export type CoherenceFault =
  | (typeof INSTANCE_FAULTS)[number]
  | (typeof DATABASE_FAULTS)[number]
  | (typeof NETWORK_FAULTS)[number]
  | (typeof REDIS_FAULTS)[number];

/** What the hits of a kind are. */
export const COHERENCE_HITS: Readonly<Record<CoherenceFault, string>> = {
  'instance killed': 'requests under way',
  'instance paused': 'requests under way',
  'writer killed in commit': 'commits seen waiting',
  'connections cut': 'requests under way',
  'clock set': 'requests under way',
  'database out of reach': 'requests under way',
  'Redis killed': 'requests under way',
  'Redis out of reach': 'requests under way',
  'Redis slow': 'requests under way',
  'Redis connections cut': 'requests under way',
  'database stopped at once': 'requests under way',
  'database connections cut': 'connections',
  'long edit by hand': 'edits committed',
  'long foreign transaction': 'transactions committed',
  'heads locked': 'statements seen waiting',
};

/** What faults are done to. */
export interface CoherenceTargets {
  readonly site: CoherenceSite;
  readonly clients: readonly WanderingClient[];
  readonly hotChats: readonly SharedChat[];
  readonly editor: HandEditor;
  readonly boundMs: number;
}

/** How long a burden may last until somebody feels it. */
const FELT_LIMIT_MS = 3_000;

/** Does faults, and counts them. */
export class CoherenceFaults {
  /** The kinds that can be done here: those of a lane one after the other, the lanes side by side. */
  readonly lanes: readonly (readonly CoherenceFault[])[];
  readonly counts: ReadonlyMap<CoherenceFault, FaultCount>;

  constructor(private readonly targets: CoherenceTargets) {
    const hasRedis = targets.site.instances.some(({ toRedis }) => toRedis !== undefined);
    this.lanes = [INSTANCE_FAULTS, DATABASE_FAULTS, [...NETWORK_FAULTS, ...(hasRedis ? REDIS_FAULTS : [])]];
    this.counts = new Map(this.lanes.flat().map((kind) => [kind, { times: 0, hit: 0 }]));
  }

  /** Does one, and resolves when it is over and what was struck is back. */
  async inject({ kind, lengthMs, way }: PlannedFault<CoherenceFault>): Promise<void> {
    const hit = await this.#do(kind, lengthMs, way);
    const count = this.counts.get(kind)!;
    count.times++;
    count.hit += hit;
  }

  async #do(kind: CoherenceFault, lengthMs: number, way: number): Promise<number> {
    const { site, clients, hotChats, editor, boundMs } = this.targets;
    const { database } = site;
    const { process: instance, toDatabase, toRedis } = site.instances[Math.floor(way * site.instances.length)]!;
    const chat = hotChats[Math.floor(way * hotChats.length)]!;
    const underWay = clients.reduce((sum, client) => sum + client.underWay, 0);
    switch (kind) {
      case 'instance killed':
        await instance.kill();
        await sleep(lengthMs / 2);
        await instance.start();
        return underWay;
      case 'instance paused':
        // For longer than the bound most of the time: what it holds is then too old to be told.
        instance.pause();
        await sleep(lengthMs + boundMs);
        instance.resume();
        return underWay;
      case 'writer killed in commit':
        return this.#killInCommit();
      case 'connections cut':
        return clients.reduce((sum, client) => sum + client.cut(), 0);
      case 'clock set':
        instance.jumpClock();
        return underWay;
      case 'database out of reach':
        // Connections stay open and nothing comes any more: to the database, and so on the bus over it.
        toDatabase.freeze();
        await sleep(lengthMs + boundMs);
        toDatabase.thaw();
        return underWay;
      case 'Redis killed':
        await site.replaceRedis(() => sleep(lengthMs));
        return underWay;
      case 'Redis out of reach':
        toRedis!.freeze();
        await sleep(lengthMs + boundMs);
        toRedis!.thaw();
        return underWay;
      case 'Redis slow':
        toRedis!.slowDown(50 + lengthMs / 4);
        await sleep(lengthMs + boundMs);
        toRedis!.slowDown(0);
        return underWay;
      case 'Redis connections cut':
        toRedis!.cut();
        return underWay;
      case 'database stopped at once':
        await database.stopImmediately(lengthMs);
        return underWay;
      case 'database connections cut':
        return database.terminateBackends();
      case 'long edit by hand': {
        const isCommitted = await editor.edit(chat, () => sleep(lengthMs));
        await editor.close();
        return Number(isCommitted);
      }
      case 'long foreign transaction':
        return Number(await database.holdTransaction(() => sleep(boundMs + 2 * lengthMs)));
      case 'heads locked': {
        let most = 0;
        await database.lockHeads(async () => {
          most = await this.#feel(boundMs + lengthMs, () => database.countWaiting('Lock'));
        });
        return most;
      }
    }
  }

  /**
   * Commits are held (they are in the log, and nobody sees them), an instance that has one is killed, and then they are let go: what
   * it has committed it has told nobody.
   */
  async #killInCommit(): Promise<number> {
    const { site } = this.targets;
    const { database } = site;
    await database.configure({ synchronous_standby_names: 'nobody' });
    await this.#feel(0, async () => (await database.rolesThatCommit()).length);
    const roles = await database.rolesThatCommit();
    const { process, role } = site.instances.find((instance) => roles.includes(instance.role)) ?? site.instances[0]!;
    await process.kill();
    await database.configure({ synchronous_standby_names: undefined });
    await process.start();
    return roles.filter((each) => each === role).length;
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
