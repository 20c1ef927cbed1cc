import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import { ApiClient } from './api-client.js';
import { InstanceProcess } from './instance-process.js';
import { NginxServer } from './nginx-server.js';
import { RedisServer } from './redis-server.js';

/** What a cluster is made of. */
export interface ClusterOptions {
  /** How many instances; 3 unless told otherwise. */
  readonly instances?: number;
  /** What instances tell each other of changes by: `COHERENCE_BUS`. `redis` unless told otherwise. */
  readonly bus?: 'none' | 'postgres' | 'redis';
  /** `SHARED_CACHE`; `off` unless told otherwise. */
  readonly sharedCache?: 'off' | 'redis';
  /** The database; absent: an embedded one of its own, empty, that goes when the cluster is closed. */
  readonly databaseUrl?: string;
  /** Port of nginx; absent: a free one. `none`: there is no nginx, and requests go to instances directly. */
  readonly nginxPort?: number | 'none';
  /** More variables for every instance. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Several instances over one database, with what deploy/compose has around them: PostgreSQL, Redis where something needs
 * it, and nginx, all as processes on the loopback interface.
 *
 * @remarks Every part is reachable, so that a test may kill, freeze, stop and start it.
 */
export class Cluster {
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #instances: InstanceProcess[] = [];
  #environment: Readonly<Record<string, string>> = {};
  #nginx: NginxServer | undefined;
  #redis: RedisServer | undefined;
  #databaseUrl = '';

  private constructor() {}

  /** Starts all of it and waits until every instance is ready. @throws what a part throws; the others are ended then. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster();
    try {
      await cluster.#start(options);
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** The instances, in the order in which they were started; also those that do not run at the moment. */
  get instances(): readonly InstanceProcess[] {
    return this.#instances;
  }

  get databaseUrl(): string {
    return this.#databaseUrl;
  }

  /** `undefined` when nothing needs it. */
  get redis(): RedisServer | undefined {
    return this.#redis;
  }

  /** @throws Error when the cluster was started without. */
  get nginx(): NginxServer {
    if (this.#nginx === undefined) throw new Error('The cluster has no nginx.');
    return this.#nginx;
  }

  /** A client that goes through nginx. */
  get api(): ApiClient {
    return new ApiClient(this.nginx.url);
  }

  /** Starts one more instance. nginx knows nothing of it. */
  async addInstance(environment: Readonly<Record<string, string>> = {}): Promise<InstanceProcess> {
    const instance = await InstanceProcess.start({ ...this.#environment, ...environment });
    this.#instances.push(instance);
    return instance;
  }

  /** Ends everything, what was started last first. Goes on when a part does not end as it should, and throws then. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    const fail = (error: unknown): void => void failures.push(error);
    await this.#nginx?.stop().catch(fail);
    await Promise.all(this.#instances.map((instance) => instance.stop().catch(fail)));
    for (const close of this.#closers.splice(0).reverse()) await close().catch(fail);
    if (failures.length > 0) throw new AggregateError(failures, `The cluster did not end well: ${failures.join('; ')}`);
  }

  async #start(options: ClusterOptions): Promise<void> {
    const { instances = 3, bus = 'redis', sharedCache = 'off', nginxPort } = options;
    this.#databaseUrl = options.databaseUrl ?? (await this.#startDatabase());
    if (bus === 'redis' || sharedCache === 'redis') {
      const redis = await RedisServer.start();
      this.#redis = redis;
      this.#closers.push(() => redis.stop());
    }
    this.#environment = {
      DATABASE_URL: this.#databaseUrl,
      COHERENCE_BUS: bus,
      SHARED_CACHE: sharedCache,
      ...(this.#redis === undefined ? {} : { REDIS_URL: this.#redis.url }),
      CACHE_MAX_BYTES: '256MiB',
      ...options.environment,
    };
    // The first migrates and the others find it done: started at once they would wait for it, and say less when it fails.
    for (let index = 0; index < instances; index++) await this.addInstance();
    if (nginxPort === 'none') return;
    const servers = this.#instances.map(({ address }) => address);
    this.#nginx = await NginxServer.start({ servers, ...(nginxPort === undefined ? {} : { port: nginxPort }) });
  }

  async #startDatabase(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'scrollback-cluster-'));
    this.#closers.push(() => rm(folder, { recursive: true, force: true }));
    // The server runs under an account of its own when this process is root's.
    await chmod(folder, 0o755);
    const server = await EmbeddedPostgres.start({
      dataDir: join(folder, 'database'),
      settings: { max_connections: '200' },
    });
    this.#closers.push(() => server.stop());
    const { host, user, password, database } = server.connection;
    return `postgresql://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
  }
}
