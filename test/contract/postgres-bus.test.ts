import { join } from 'node:path';
import { Client } from 'pg';
import { PostgresBus } from '../../src/cache/coherence/bus/postgres-bus.js';
import { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import { NotificationChannel } from '../../src/storage/notification-channel.js';
import { makeTestFolder } from '../support/process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { describeCoherenceBus, type BusHarness } from './coherence-bus.contract.js';

async function start(): Promise<BusHarness> {
  const folder = await makeTestFolder();
  const dataDir = join(folder.path, 'data');
  const run = (): Promise<EmbeddedPostgres> => EmbeddedPostgres.start({ dataDir, settings: { fsync: 'off' } });
  let server = await run();
  const { connection } = server;
  const client = new Client(connection);
  await client.connect();
  await client.query('CREATE DATABASE another');
  await client.end();
  const proxy = await TcpProxy.start(join(connection.host, `.s.PGSQL.${connection.port}`));
  const bus = (address: ConstructorParameters<typeof NotificationChannel>[0]): PostgresBus =>
    new PostgresBus(new NotificationChannel(address));
  return {
    bus: (scope) => bus({ ...server.connection, ...(scope !== undefined && { database: scope }) }),
    frozenBus: () => bus({ ...server.connection, host: '127.0.0.1', port: proxy.port }),
    freeze: () => proxy.freeze(),
    thaw: () => proxy.thaw(),
    kill: () => server.stop(),
    restart: async () => {
      server = await run();
    },
    stop: async () => {
      await proxy.stop();
      await server.stop();
      await folder.remove();
    },
  };
}

describeCoherenceBus('the bus over PostgreSQL', start);
