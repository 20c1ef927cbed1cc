import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DurableDatabase } from '../faults/durable-database.js';
import { InstanceProcess } from '../faults/instance-process.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import type { Topology } from './topology.js';

const INSTANCES = 3;

/** Small, so that pauses are longer. */
export const BOUND_MS = 1000;
const POLL_MS = 200;

/** The first instance's clock is right, the second's is behind, the third's ahead. */
const SKEWS_MS = [0, -3_600_000, 90_000];

const SKEWED_CLOCK = pathToFileURL(resolve('dist/test/coherence/skewed-clock.js')).href;

/** An instance, and the ways by which alone it reaches what it works with. */
export interface SiteInstance {
  readonly process: InstanceProcess;
  /** Its name at the database. */
  readonly role: string;
  readonly toDatabase: TcpProxy;
  /** Absent: there is no Redis. */
  readonly toRedis: TcpProxy | undefined;
}

/** Three instances with clocks of their own, a database, and a Redis where the topology has one. */
export class CoherenceSite {
  private constructor(
    readonly database: DurableDatabase,
    readonly instances: readonly SiteInstance[],
    private redis: RedisServer | undefined,
  ) {}

  /** Starts all, the database in a folder. */
  static async start(topology: Topology, folder: string): Promise<CoherenceSite> {
    const database = await DurableDatabase.start(join(folder, 'data'));
    // Not one that the environment names: it is killed.
    const redis = topology.hasRedis ? await RedisServer.start('') : undefined;
    const instances: SiteInstance[] = [];
    const site = new CoherenceSite(database, instances, redis);
    try {
      for (let at = 0; at < INSTANCES; at++) instances.push(await startInstance(at, topology, database, redis));
    } catch (error) {
      await site.stop();
      throw error;
    }
    return site;
  }

  /** Kills Redis, and starts it again at the same place, with nothing in it. */
  async replaceRedis(whileAway: () => Promise<void>): Promise<void> {
    const { redis } = this;
    if (redis === undefined) throw new Error('the site has no Redis');
    await redis.kill();
    await whileAway();
    this.redis = await RedisServer.start('', { port: Number(new URL(redis.url).port) });
  }

  /** Kills the instances that are left, and ends the rest. */
  async stop(): Promise<void> {
    for (const { process, toDatabase, toRedis } of this.instances) {
      await process.kill();
      await toDatabase.stop();
      await toRedis?.stop();
    }
    await this.redis?.stop();
    await this.database.stop();
  }
}

async function startInstance(
  at: number,
  topology: Topology,
  database: DurableDatabase,
  redis: RedisServer | undefined,
): Promise<SiteInstance> {
  const role = `instance_${at}`;
  const toDatabase = await TcpProxy.start(database.socketPath);
  const toRedis = redis === undefined ? undefined : await TcpProxy.start(Number(new URL(redis.url).port));
  const process = await InstanceProcess.start({
    ...topology.environment,
    DATABASE_URL: await database.createRole(role, toDatabase.port),
    ...(toRedis === undefined ? {} : { REDIS_URL: `redis://127.0.0.1:${toRedis.port}` }),
    CACHE_MAX_BYTES: '2MiB',
    STALENESS_BOUND_MS: String(BOUND_MS),
    COHERENCE_POLL_MS: String(POLL_MS),
    // The last one refuses where the others say that they are stale.
    STALE_READS: at === INSTANCES - 1 ? 'refuse' : 'serve',
    CLOCK_SKEW_MS: String(SKEWS_MS[at]),
    MAX_EVENT_LOOP_DELAY_MS: '0',
    NODE_OPTIONS: `--import=${SKEWED_CLOCK}`,
  });
  return { process, role, toDatabase, toRedis };
}
