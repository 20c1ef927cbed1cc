import type { DatabaseServer } from '../../../storage/database-server.js';
import type { HeadRepository } from '../../../storage/head-repository.js';
import { NotificationChannel } from '../../../storage/notification-channel.js';
import type { CacheOptions } from '../../cache-options.js';
import type { CoherenceBus } from './coherence-bus.js';
import { NoBus } from './no-bus.js';
import { PostgresBus } from './postgres-bus.js';

/** Makes the bus that the options want; it is not started. */
export async function makeBus(
  options: Pick<CacheOptions, 'bus' | 'redisUrl'>,
  server: DatabaseServer,
  _heads: HeadRepository,
): Promise<CoherenceBus> {
  if (options.bus === 'postgres') return new PostgresBus(new NotificationChannel(server.address));
  return new NoBus();
}
