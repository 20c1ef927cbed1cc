import type { DataSourceOptions } from 'typeorm';
import { Chat } from './chat.entity.js';
import { Message } from './message.entity.js';

/** The peers' own schema in the database that Scrollback uses as well. The pool is as large as Scrollback's. */
export const PEER_SCHEMA = 'peer';

/** The options of the peers, and of what fills their tables. */
export function peerDatabase(url: string): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    schema: PEER_SCHEMA,
    entities: [Chat, Message],
    poolSize: 10,
    installExtensions: false,
  };
}
