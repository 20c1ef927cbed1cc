import { inTime } from '../../../common/in-time.js';
import { addressOf, type RedisNodeAddress } from '../../../redis/redis-address.js';
import { closeRedisNode, openRedisNode, type RedisNode } from '../../../redis/redis-node.js';
import { RedisSubscriber } from '../../../redis/redis-subscriber.js';
import type { BusLink, LaneMessage, LinkListener } from './bus-link.js';
import { LinkedBus } from './linked-bus.js';

/**
 * Channels, each of which lives on one node of a cluster. Fewer would load some nodes of a large cluster and not others; more would make
 * smaller messages, and more of them. All instances must have the same number.
 */
const LANES = 16;

/** Redis takes far more; a peer that is slow has 32 MB of them waiting for it before Redis lets it go. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** Opening gives up after this long, whatever it waits for. */
const OPEN_TIMEOUT_MS = 5000;

interface Shard {
  readonly publishing: RedisNode;
  readonly listening: RedisSubscriber;
}

/**
 * Sharded publish and subscribe of Redis 7, over a fixed number of channels by the chats' ids, on one node or a Redis Cluster.
 *
 * Two connections for each node that has a channel: what is heard must not keep what is said waiting. When any of them breaks, or a slot
 * moves, the whole link is lost: it is cheap to open, and then knows the cluster as it is.
 */
class RedisLink implements BusLink {
  readonly lanes = LANES;
  readonly maxMessageBytes = MAX_MESSAGE_BYTES;
  readonly #channels: readonly string[];
  #beatLanes: readonly number[] = [];
  /** How to close each connection. */
  #closers: (() => void)[] = [];
  #shards: readonly Shard[] = [];
  /** The first lane of each lane's node. */
  #joined: readonly number[] = [];
  #session: object | undefined;

  constructor(
    private readonly urls: readonly URL[],
    scope: string,
  ) {
    this.#channels = Array.from({ length: LANES }, (_unused, lane) => `scrollback:${scope}:changes:${lane}`);
  }

  get beatLanes(): readonly number[] {
    return this.#beatLanes;
  }

  joinedLane(lane: number): number {
    return this.#joined[lane] ?? lane;
  }

  async open(listener: LinkListener): Promise<void> {
    this.close();
    const session = {};
    this.#session = session;
    try {
      await inTime(this.#open(session, listener), OPEN_TIMEOUT_MS, 'Redis did not answer in time.');
    } catch (error) {
      if (this.#session === session) this.close();
      throw asReason(error);
    }
  }

  async send(messages: readonly LaneMessage[]): Promise<void> {
    await Promise.all(
      messages.map(({ lane, bytes }) => {
        const shard = this.#shards[lane];
        if (shard === undefined) throw new Error('The link is not open.');
        return shard.publishing.sPublish(this.#channels[lane]!, bytes);
      }),
    );
  }

  close(): void {
    this.#session = undefined;
    this.#shards = [];
    for (const close of this.#closers.splice(0)) close();
  }

  async #open(session: object, { onMessage, onLost }: LinkListener): Promise<void> {
    let isOpen = false;
    const lost = (reason: string): void => {
      if (this.#session !== session) return;
      this.close();
      // While it is being opened, whoever waits for an answer of the node hears of it.
      if (isOpen) onLost(reason);
    };
    const keep = <T>(connection: T, close: () => void): T => {
      if (this.#session !== session) {
        close();
        throw new Error('The link to Redis was lost while it was being opened.');
      }
      this.#closers.push(close);
      return connection;
    };
    const publishAt = async (url: URL, address?: RedisNodeAddress): Promise<RedisNode> => {
      const node = await openRedisNode(url, lost, address);
      return keep(node, () => closeRedisNode(node));
    };
    const listenAt = async (url: URL, address?: RedisNodeAddress): Promise<RedisSubscriber> => {
      const subscriber = await RedisSubscriber.open(url, lost, address);
      return keep(subscriber, () => subscriber.close());
    };
    const seed = await this.#connectToAny(publishAt);
    const addresses = await this.#locate(seed);
    const shards = new Map<string, Promise<Shard>>();
    const shardOf = (address: RedisNodeAddress | undefined): Promise<Shard> => {
      const key = address === undefined ? '' : `${address.host} ${address.port}`;
      let shard = shards.get(key);
      if (shard === undefined) {
        const publishing = address === undefined ? Promise.resolve(seed.node) : publishAt(seed.url, address);
        shard = Promise.all([publishing, listenAt(seed.url, address)]).then(([first, second]) => ({
          publishing: first,
          listening: second,
        }));
        shards.set(key, shard);
      }
      return shard;
    };
    const found = await Promise.all(addresses.map(shardOf));
    await Promise.all(
      found.map(async ({ listening }, lane) => {
        await listening.subscribe(this.#channels[lane]!, (message) => onMessage(message, lane));
      }),
    );
    if (this.#session !== session) throw new Error('The link to Redis was lost while it was being opened.');
    // One connection has all channels of a node: what comes by one of them proves the others.
    const first = new Map(found.map((shard, lane) => [shard, lane] as const).reverse());
    this.#beatLanes = [...first.values()];
    this.#joined = found.map((shard) => first.get(shard)!);
    this.#shards = found;
    isOpen = true;
  }

  async #connectToAny(connect: (url: URL) => Promise<RedisNode>): Promise<{ node: RedisNode; url: URL }> {
    let reason: unknown;
    // Instances begin at different nodes, so that one that is away does not delay them all.
    const start = Math.floor(Math.random() * this.urls.length);
    for (const url of [...this.urls.slice(start), ...this.urls.slice(0, start)]) {
      try {
        return { node: await connect(url), url };
      } catch (error) {
        reason = error;
      }
    }
    throw reason;
  }

  /** The node of each channel; `undefined` for the one that was asked, which is no cluster. */
  async #locate({ node, url }: { node: RedisNode; url: URL }): Promise<readonly (RedisNodeAddress | undefined)[]> {
    const info = await node.info('cluster');
    if (!info.includes('cluster_enabled:1')) return this.#channels.map(() => undefined);
    const ranges = await node.clusterSlots();
    const slots = await Promise.all(this.#channels.map((channel) => node.clusterKeySlot(channel)));
    return slots.map((slot) => {
      const range = ranges.find(({ from, to }) => from <= slot && slot <= to);
      if (range === undefined) throw new Error('The Redis Cluster has slots that no node serves.');
      // A node that does not know its own name leaves it out.
      const { host, port } = range.master;
      return { host: host === '' || host === null || host === '?' ? addressOf(url).host : host, port };
    });
  }
}

/** The bus over Redis. */
export class RedisBus extends LinkedBus {
  /**
   * @param urls - of one node, or of some nodes of a cluster.
   * @param scope - tells databases apart that use the same Redis; the same for all instances on one database.
   */
  constructor(urls: readonly URL[], scope: string) {
    super('redis', new RedisLink(urls, scope));
  }
}

function asReason(error: unknown): unknown {
  const isOld = error instanceof Error && /unknown command.*ssubscribe/i.test(error.message);
  return isOld ? new Error('It needs Redis or Valkey 7 or later, which have sharded publish and subscribe.') : error;
}
