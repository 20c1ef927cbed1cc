import { describe, expect, it } from '@jest/globals';
import { RedisBus } from '../../src/cache/coherence/bus/redis-bus.js';
import { parseRedisUrls } from '../../src/redis/redis-address.js';
import { BusEar, until } from '../support/bus-ear.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { describeCoherenceBus, type BusHarness } from './coherence-bus.contract.js';

function busOf(url: string, scope = 'ours'): RedisBus {
  return new RedisBus(parseRedisUrls(url)!, scope);
}

async function start(): Promise<BusHarness> {
  const cluster = await RedisCluster.start();
  return {
    bus: (scope) => busOf(cluster.url, scope),
    frozenBus: () => busOf(cluster.url),
    freezesAll: true,
    freeze: () => cluster.pause(1),
    thaw: () => cluster.resume(1),
    kill: () => cluster.kill(),
    restart: () => cluster.restart(),
    stop: () => cluster.stop(),
  };
}

describeCoherenceBus('the bus over a Redis Cluster of three masters', start);

describe('the bus over a Redis Cluster', () => {
  it('has channels on every node, finds them by one of the nodes, and follows slots that move', async () => {
    const cluster = await RedisCluster.start();
    const [ear, bus] = [new BusEar(), busOf(cluster.url.split(',')[2]!)];
    try {
      await bus.start(ear);
      await until('it is healthy', () => bus.isHealthy);
      const channels = (): Promise<number[]> => cluster.countChannels();
      expect((await channels()).every((count) => count > 0)).toBe(true);
      expect((await channels()).reduce((sum, count) => sum + count)).toBe(16);
      await cluster.moveSlots(0, 1);
      await until('nothing is left on the node', async () => (await channels())[0] === 0);
      await until('all channels are back', async () => (await channels()).reduce((sum, count) => sum + count) === 16);
      await until('it is healthy again', () => bus.isHealthy && ear.gaps > 1);
    } finally {
      await bus.stop();
      await cluster.stop();
    }
  });
});
