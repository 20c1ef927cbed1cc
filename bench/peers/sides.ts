import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { BenchDatabase } from '../bench-database.js';
import { ServerProcess } from '../server-process.js';

/** What is compared. */
export type SideName = 'scrollback' | 'bare' | 'off' | 'plain' | 'memory' | 'redis' | 'redisText';

/** What each side is called in the report. */
export const SIDE_TITLES: Readonly<Record<SideName, string>> = {
  scrollback: 'Scrollback',
  bare: 'bare Fastify, the same bytes',
  off: 'Scrollback, `CACHE_MODE=off`',
  plain: 'Nest + TypeORM',
  memory: 'Nest + TypeORM + cache-manager in memory',
  redis: 'Nest + TypeORM + Redis',
  redisText: 'Nest + TypeORM + Redis, cached text sent as it is',
};

/** The service key that every request carries. */
export const SERVICE_KEY = randomBytes(24).toString('base64url');

const KEY_DIGEST = createHash('sha256').update(SERVICE_KEY).digest('hex');
const SCROLLBACK = fileURLToPath(new URL('../../../bin/scrollback.mjs', import.meta.url));

/** What the sides share. */
export interface SideSetting {
  readonly database: BenchDatabase;
  readonly redisUrl: string;
  /** File of RecordedPage, one a line, for the bare server. */
  readonly pagesFile: string;
}

/** Starts a side on a free port, Scrollback as its users start it. */
export async function startSide(name: SideName, setting: SideSetting): Promise<ServerProcess> {
  const scrollback = {
    DATABASE_URL: setting.database.url,
    PORT: '0',
    AUTH_MODE: 'key',
    AUTH_KEYS: `bench:${KEY_DIGEST}`,
    LOG_LEVEL: 'info',
  };
  const peer = { DATABASE_URL: setting.database.url, SERVICE_KEY_SHA256: KEY_DIGEST, REDIS_URL: setting.redisUrl };
  switch (name) {
    case 'scrollback':
      return ServerProcess.start([SCROLLBACK, 'serve'], { ...scrollback, CACHE_MODE: 'on' });
    case 'off':
      return ServerProcess.start([SCROLLBACK, 'serve'], { ...scrollback, CACHE_MODE: 'off' });
    case 'bare':
      return ServerProcess.start([program('bare-fastify')], { PAGES: setting.pagesFile });
    case 'plain':
      return ServerProcess.start([program('plain')], peer);
    case 'memory':
      return ServerProcess.start([program('cached-in-memory')], peer);
    case 'redis':
      return ServerProcess.start([program('cached-in-redis')], { ...peer, REDIS_ANSWERS: 'objects' });
    case 'redisText':
      return ServerProcess.start([program('cached-in-redis')], { ...peer, REDIS_ANSWERS: 'text' });
  }
}

function program(name: string): string {
  return fileURLToPath(new URL(`${name}.js`, import.meta.url));
}
