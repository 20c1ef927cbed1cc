import type { DatabaseServer } from '../../../storage/database-server.js';
import type { HeadRepository } from '../../../storage/head-repository.js';
import { NotificationChannel } from '../../../storage/notification-channel.js';
import type { CacheOptions } from '../../cache-options.js';
import { parseRedisUrls } from '../../../redis/redis-address.js';
import type { CoherenceBus } from './coherence-bus.js';
import { NoBus } from './no-bus.js';
import { PostgresBus } from './postgres-bus.js';
import { RedisBus } from './redis-bus.js';

/**
 * Makes the bus that the options want; it is not started.
 *
 * @throws TypeError when it is to be `redis` and no URL, or none that can be used, says where that is.
 */
export async function makeBus(
  options: Pick<CacheOptions, 'bus' | 'redisUrl'>,
  server: DatabaseServer,
  heads: HeadRepository,
): Promise<CoherenceBus> {
  if (options.bus === 'postgres') return new PostgresBus(new NotificationChannel(server.address));
  if (options.bus === 'redis') {
    const urls = parseRedisUrls(options.redisUrl ?? '');
    if (urls === undefined) throw new TypeError('The bus over Redis needs the URL of Redis.');
    return new RedisBus(urls, await heads.findDatabaseId());
  }
  return new NoBus();
}
