import { createClient } from 'redis';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { freePort } from './free-port.js';
import { RedisServer } from './redis-server.js';

const MASTERS = 3;
const SLOTS = 16_384;
const READY_TIMEOUT_MS = 30_000;

/** A node that is silent for longer is declared failed, and the cluster is down without it: on a busy machine all are silent now and then. */
const NODE_TIMEOUT_MS = '15000';

/** A Redis Cluster of three masters for tests, each a process of its own. */
export class RedisCluster {
  private constructor(private servers: RedisServer[]) {}

  /** Starts it and waits until it serves every slot. */
  static async start(): Promise<RedisCluster> {
    const cluster = new RedisCluster([]);
    const ports: number[] = [];
    while (ports.length < MASTERS) ports.push(await freePort());
    await cluster.#start(ports);
    return cluster;
  }

  /** The nodes as `REDIS_URL` names them. */
  get url(): string {
    return this.servers.map(({ url }) => url).join(',');
  }

  get ports(): number[] {
    return this.servers.map(({ url }) => Number(new URL(url).port));
  }

  /** Lets a node do nothing, with its connections open. */
  pause(node: number): void {
    process.kill(this.servers[node]!.pid!, 'SIGSTOP');
  }

  /** Lets a node go on. */
  resume(node: number): void {
    process.kill(this.servers[node]!.pid!, 'SIGCONT');
  }

  /** Ends all nodes without a goodbye. */
  async kill(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  /** Starts it again where it was; it remembers nothing. */
  async restart(): Promise<void> {
    await this.#start(this.ports);
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** Gives all slots of a node but the last to another one with their keys, as a resharding does. */
  async moveSlots(from: number, to: number): Promise<void> {
    const target = await command(this.servers[to]!.url, ['CLUSTER', 'MYID']);
    await this.#moveKeys(from, to, String(target));
    // Of two nodes that claim a slot, the others believe the one with the newer epoch.
    await command(this.servers[to]!.url, ['CLUSTER', 'BUMPEPOCH']);
    const [first, last] = slotsOf(from);
    // A node without slots would become a replica of the one that has them.
    const count = last - first;
    for (const { url } of [this.servers[to]!, ...this.servers.filter((_unused, at) => at !== to)]) {
      const client = await connect(url);
      const moves = Array.from({ length: count }, (_unused, at) =>
        client.sendCommand(['CLUSTER', 'SETSLOT', String(first + at), 'NODE', String(target)]),
      );
      await Promise.all(moves);
      client.destroy();
    }
  }

  /** Channels of sharded publish and subscribe that somebody listens to, by node. */
  countChannels(): Promise<number[]> {
    const list = ({ url }: RedisServer): Promise<unknown> => command(url, ['PUBSUB', 'SHARDCHANNELS']);
    return Promise.all(this.servers.map(async (server) => ((await list(server)) as unknown[]).length));
  }

  /** Keys that are held, by node. */
  countKeys(): Promise<number[]> {
    return Promise.all(this.servers.map(async ({ url }) => Number(await command(url, ['DBSIZE']))));
  }

  async #moveKeys(from: number, to: number, target: string): Promise<void> {
    const [here, there] = await Promise.all([from, to].map((node) => connect(this.servers[node]!.url)));
    const source = String(await here!.sendCommand(['CLUSTER', 'MYID']));
    const { hostname, port } = new URL(this.servers[to]!.url);
    const [first, last] = slotsOf(from);
    for (let slot = first; slot < last; slot++) {
      const keys = (await here!.sendCommand(['CLUSTER', 'GETKEYSINSLOT', String(slot), '1000'])) as string[];
      if (keys.length === 0) continue;
      await there!.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', source]);
      await here!.sendCommand(['CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', target]);
      await here!.sendCommand(['MIGRATE', hostname, port, '', '0', '5000', 'KEYS', ...keys]);
    }
    here!.destroy();
    there!.destroy();
  }

  async #start(ports: readonly number[]): Promise<void> {
    const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': NODE_TIMEOUT_MS };
    this.servers = [];
    for (const port of ports) {
      // By default the second port is 10000 above the first, which may be past the last there is.
      const more = { ...settings, 'cluster-port': String(await freePort()) };
      this.servers.push(await RedisServer.start('', { port, settings: more }));
    }
    const busPorts = await Promise.all(
      this.servers.map(({ url }) => command(url, ['CONFIG', 'GET', 'cluster-port']).then((reply) => valueOf(reply))),
    );
    for (const [at, { url }] of this.servers.entries()) {
      const [first, last] = slotsOf(at);
      await command(url, ['CLUSTER', 'ADDSLOTSRANGE', String(first), String(last)]);
      await command(url, ['CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1)]);
    }
    for (let at = 1; at < MASTERS; at++) {
      await command(this.servers[0]!.url, ['CLUSTER', 'MEET', '127.0.0.1', String(ports[at]), busPorts[at]!]);
    }
    const isReady = async (): Promise<boolean> => {
      const infos = await Promise.all(this.servers.map(({ url }) => command(url, ['CLUSTER', 'INFO'])));
      return infos.every((info) => /cluster_state:ok[^]*cluster_known_nodes:3/.test(String(info)));
    };
    if (!(await waitUntil(isReady, READY_TIMEOUT_MS))) throw new Error('The Redis Cluster does not come up.');
  }
}

function slotsOf(node: number): [number, number] {
  const share = Math.ceil(SLOTS / MASTERS);
  return [node * share, Math.min(SLOTS, (node + 1) * share) - 1];
}

async function connect(url: string) {
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function command(url: string, words: string[]): Promise<unknown> {
  const client = await connect(url);
  try {
    return await client.sendCommand(words);
  } finally {
    client.destroy();
  }
}

/** The value in the reply to CONFIG GET of one setting, as a map or as a list. */
function valueOf(reply: unknown): string {
  if (Array.isArray(reply)) return String(reply[1]);
  return String(Object.values(reply as Record<string, unknown>)[0]);
}
