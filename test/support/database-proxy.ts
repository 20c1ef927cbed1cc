import { join } from 'node:path';
import { TcpProxy } from './tcp-proxy.js';
import type { TestDatabase } from './test-database.js';

/** A way to a test's database that can be frozen, slowed down and cut. */
export interface DatabaseProxy {
  readonly proxy: TcpProxy;
  /** The database's URL by this way. */
  readonly url: string;
}

/** Opens a way to a test's database, over TCP: others than the server's own user may go it. */
export async function startDatabaseProxy(database: TestDatabase): Promise<DatabaseProxy> {
  const url = new URL(database.url);
  const { searchParams } = url;
  const proxy = await TcpProxy.start(
    join(searchParams.get('host')!, `.s.PGSQL.${searchParams.get('port') ?? (url.port || '5432')}`),
  );
  url.search = '';
  url.host = `127.0.0.1:${proxy.port}`;
  return { proxy, url: url.href };
}
