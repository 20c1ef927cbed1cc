import { RedisBus } from '../../src/cache/coherence/bus/redis-bus.js';
import { parseRedisUrls } from '../../src/redis/redis-address.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { describeCoherenceBus, type BusHarness } from './coherence-bus.contract.js';

async function start(): Promise<BusHarness> {
  let server = await RedisServer.start('');
  const port = Number(new URL(server.url).port);
  const proxy = await TcpProxy.start(port);
  const bus = (url: string, scope = 'ours'): RedisBus => new RedisBus(parseRedisUrls(url)!, scope);
  return {
    bus: (scope) => bus(server.url, scope),
    frozenBus: () => bus(`redis://127.0.0.1:${proxy.port}`),
    freeze: () => proxy.freeze(),
    thaw: () => proxy.thaw(),
    kill: () => server.kill(),
    restart: async () => {
      server = await RedisServer.start('', { port });
    },
    stop: async () => {
      await proxy.stop();
      await server.stop();
    },
  };
}

describeCoherenceBus('the bus over one Redis node', start);
