import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { findRedisProgram, NoRedisError } from '../support/redis-program.js';
import { RedisServer } from '../support/redis-server.js';

const run = promisify(execFile);

const hasAptGet = (process.env['PATH'] ?? '').split(delimiter).some((path) => existsSync(join(path, 'apt-get')));

async function ping(url: string): Promise<string> {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.ping();
  } finally {
    client.destroy();
  }
}

describe('a Redis for tests', () => {
  it('answers, keeps nothing on disk, and is gone when it is stopped', async () => {
    const server = await RedisServer.start('');
    try {
      expect(await ping(server.url)).toBe('PONG');
      const client = await createClient({ url: server.url }).connect();
      expect(await client.configGet(['save', 'appendonly', 'bind'])).toEqual({
        save: '',
        appendonly: 'no',
        bind: '127.0.0.1',
      });
      client.destroy();
    } finally {
      await server.stop();
    }
    await expect(ping(server.url)).rejects.toThrow('ECONNREFUSED');
  });

  it('is a process of its own for each who starts one', async () => {
    const servers = await Promise.all([RedisServer.start(''), RedisServer.start('')]);
    try {
      expect(new Set(servers.map(({ url }) => url)).size).toBe(2);
      await servers[0]!.stop();
      expect(await ping(servers[1]!.url)).toBe('PONG');
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });

  it('is somebody else’s where REDIS_URL names one, and is not stopped then', async () => {
    const theirs = await RedisServer.start('');
    try {
      const ours = await RedisServer.start(theirs.url);
      expect(ours.url).toBe(theirs.url);
      expect(ours.pid).toBeUndefined();
      await ours.stop();
      expect(await ping(theirs.url)).toBe('PONG');
    } finally {
      await theirs.stop();
    }
  });
});

describe('looking for a Redis server', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrollback-redis-search-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('unpacks the distribution’s package with its libraries where none is on PATH, once', async () => {
    // Distributions without apt-get have no other way than PATH, and say so.
    if (!hasAptGet) {
      const environment = { ...process.env, XDG_CACHE_HOME: folder };
      await expect(findRedisProgram({ programs: [], environment })).rejects.toThrow(NoRedisError);
      return;
    }
    // Unpacked into the user's cache, as the suite itself would, so that later runs need no network.
    const [program, other] = await Promise.all([
      findRedisProgram({ programs: [] }),
      findRedisProgram({ programs: [] }),
    ]);
    expect(other).toEqual(program);
    expect(program.path).toMatch(/\/scrollback\/redis\/usr\/bin\/(redis|valkey)-server$/);
    const { stdout } = await run(program.path, ['--version'], { env: { ...process.env, ...program.environment } });
    expect(stdout).toMatch(/server v=\d+\./);
  });

  it('prefers the one on PATH', async () => {
    const unpacked = await findRedisProgram();
    const path = join(unpacked.path, '..');
    const found = await findRedisProgram({ environment: { PATH: `/nonexistent:${path}`, XDG_CACHE_HOME: folder } });
    expect(found).toEqual({ path: unpacked.path, environment: {} });
    expect(await readdir(folder)).toEqual([]);
  });

  it('says what to do when there is none, and leaves nothing behind', async () => {
    const search = findRedisProgram({ environment: { PATH: join(folder, 'empty'), XDG_CACHE_HOME: folder } });
    await expect(search).rejects.toThrow(NoRedisError);
    await expect(search).rejects.toThrow(/set REDIS_URL .* on PATH .* apt-get is not on PATH/s);
    expect(await readdir(join(folder, 'scrollback'))).toEqual([]);
  });
});
