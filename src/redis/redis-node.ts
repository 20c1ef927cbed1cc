import { createClient } from 'redis';
import { errorText } from '../common/error-fields.js';
import { inTime } from '../common/in-time.js';
import { addressOf, isTls, loginOf, type RedisNodeAddress } from './redis-address.js';

/** Connecting gives up after this long. */
const CONNECT_TIMEOUT_MS = 3000;

/** Commands that may wait for their answers; past it they fail at once. */
const MAX_WAITING_COMMANDS = 10_000;

/** A connection to one Redis node. */
export type RedisNode = ReturnType<typeof makeNode>;

/**
 * Connects to a node. The connection is one TCP connection and does not come back when it breaks: whoever opened it hears of that by
 * `onLost`, once, and decides. Commands that cannot be sent fail at once.
 *
 * @param url - how to log in, and where unless `address` says otherwise.
 */
export async function openRedisNode(
  url: URL,
  onLost: (reason: string) => void,
  address?: RedisNodeAddress,
): Promise<RedisNode> {
  const node = makeNode(url, address);
  let lost: ((reason: string) => void) | undefined;
  // Without a listener an error would end the process.
  node.on('error', (error: Error) => lost?.(errorText(error)));
  node.on('end', () => lost?.('The connection to Redis has ended.'));
  try {
    // The client's own limit ends when TCP connects.
    await inTime(node.connect(), CONNECT_TIMEOUT_MS, 'Redis did not answer in time.');
  } catch (error) {
    closeRedisNode(node);
    throw error;
  }
  lost = (reason) => {
    lost = undefined;
    onLost(reason);
  };
  return node;
}

/** Closes at once; commands on their way reject. */
export function closeRedisNode(node: RedisNode): void {
  if (node.isOpen) node.destroy();
}

function makeNode(url: URL, { host, port }: RedisNodeAddress = addressOf(url)) {
  return createClient({
    ...loginOf(url),
    name: 'scrollback',
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING_COMMANDS,
    // Whoever opened the connection watches it: a signal and a timer for each command cost more than the command.
    commandOptions: { timeout: 0 },
    socket: {
      host,
      port,
      ...(isTls(url) ? { tls: true as const } : {}),
      reconnectStrategy: false,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: 10_000,
    },
  });
}
