import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { listProcesses } from '../../src/storage/embedded/process-table.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import type { ApiAnswer } from '../support/api-client.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import { freePort } from '../support/free-port.js';
import { InstanceProcess } from '../support/instance-process.js';
import { makeTestFolder } from '../support/process.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const WAIT_MS = 20_000;

/** Far below what is waited for: a database is tried for 30 s, a connection for 10 s, a statement for 60 s. */
const PROMPT_MS = 7000;

/** The lock that an instance holds while it migrates. */
const MIGRATION_LOCK = '8314892176759549291';

interface Health {
  readonly status: string;
  readonly error: object;
  readonly details: Readonly<Record<string, { readonly status: string; readonly step?: string }>>;
}

describe('an instance that starts', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let url: string;
  let instance: InstanceProcess;
  let metricsPort: number;
  beforeAll(async () => {
    database = await createTestDatabase();
    ({ proxy, url } = await startDatabaseProxy(database));
  });
  afterEach(async () => {
    proxy.thaw();
    await instance.kill();
  });
  afterAll(async () => {
    await proxy.stop();
    await database.drop();
  });

  const launch = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
    metricsPort = await freePort();
    instance = InstanceProcess.launch({
      DATABASE_URL: url,
      PORT: String(await freePort()),
      METRICS_PORT: String(metricsPort),
      CACHE_MAX_BYTES: '16MiB',
      ...settings,
    });
  };
  const ask = async (path: string, port = instance.port): Promise<ApiAnswer<Health>> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Health };
  };
  const isAtStep = (step: string): Promise<boolean> =>
    waitUntil(
      () =>
        ask('/health/startup').then(
          ({ body }) => body.details['start']?.step === step,
          () => false,
        ),
      WAIT_MS,
    );
  const endsPromptly = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    process.kill(instance.pid!, signal);
    expect(await waitUntil(() => !instance.isRunning, PROMPT_MS)).toBe(true);
    expect({ ended: instance.ended, output: instance.output }).toMatchObject({ ended: 0 });
    expect(instance.output).not.toMatch(/"level":"error"/);
  };
  const endsBeforeItServes = async (signal?: NodeJS.Signals): Promise<void> => {
    await endsPromptly(signal);
    expect(instance.output).not.toMatch(/Listening/);
  };

  it('answers probes on both ports while the database refuses, and tells others to come again', async () => {
    proxy.refuse();
    await launch();
    expect(await isAtStep('database')).toBe(true);
    for (const port of [instance.port, metricsPort]) {
      expect(await ask('/health/live', port)).toMatchObject({ status: 200, body: { status: 'ok' } });
      expect(await ask('/health/startup', port)).toMatchObject({
        status: 503,
        body: { status: 'error', details: { start: { status: 'down' }, cache: { status: 'down', state: 'waiting' } } },
      });
      const ready = await ask('/health/ready', port);
      expect(ready.status).toBe(503);
      expect(Object.keys(ready.body.details)).toEqual(['database', 'cache', 'coherence']);
      const other = await ask('/v1/users/ann/chats', port);
      expect(other).toMatchObject({ status: 503, body: { code: 'starting', status: 503 } });
      expect(other.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(other.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(other.headers.get('x-request-id')).toMatch(/./);
    }
    await endsBeforeItServes();
  });

  it('serves on the same port when the database comes, and has refused nobody in between', async () => {
    proxy.refuse();
    await launch();
    expect(await isAtStep('database')).toBe(true);
    const statuses = new Set<number | string>();
    proxy.thaw();
    while (!(await instance.isReady())) {
      const live = await ask('/health/live').then(
        ({ status }) => status,
        (error: Error) => error.message,
      );
      statuses.add(live);
    }
    expect(statuses).toEqual(new Set([200]));
    expect(instance.output).toContain(`Listening on http://127.0.0.1:${instance.port}`);
    expect((await ask('/health/ready', metricsPort)).status).toBe(200);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends promptly by %s while the database hangs', async (signal) => {
    proxy.freeze();
    await launch();
    expect(await isAtStep('database')).toBe(true);
    await endsBeforeItServes(signal);
  });

  it('ends promptly by a signal while the name of the database is not known', async () => {
    await launch({ DATABASE_URL: 'postgres://user@nowhere.invalid/database' });
    expect(await isAtStep('database')).toBe(true);
    await endsBeforeItServes();
  });

  it('ends promptly by a signal while another instance migrates', async () => {
    await database.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    try {
      await launch();
      expect(await isAtStep('migration')).toBe(true);
      expect((await ask('/health/ready')).body.details['database']).toEqual({ status: 'up' });
      await endsBeforeItServes();
    } finally {
      await database.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    }
  });

  it('ends promptly by a signal while its first look at the database waits for a lock', async () => {
    await database.query('BEGIN');
    await database.query('LOCK TABLE chat_head IN ACCESS EXCLUSIVE MODE');
    try {
      await launch();
      expect(await isAtStep('cache')).toBe(true);
      await endsBeforeItServes();
    } finally {
      await database.query('ROLLBACK');
    }
  });

  it('ends promptly by a signal while warming waits for a lock, and says nothing more of it', async () => {
    const [{ id }] = (await database.query<{ id: string }>(`INSERT INTO chat (title) VALUES ('one') RETURNING id`)) as [
      { id: string },
    ];
    await database.query('BEGIN');
    await database.query('LOCK TABLE message IN ACCESS EXCLUSIVE MODE');
    try {
      await launch({ CACHE_WARM_DEADLINE_MS: '0' });
      expect(await waitUntil(() => instance.isReady(), WAIT_MS)).toBe(true);
      process.kill(instance.pid!, 'SIGTERM');
      expect(await waitUntil(() => !instance.isRunning, PROMPT_MS)).toBe(true);
      expect(instance.ended).toBe(0);
      expect(instance.output.slice(instance.output.indexOf('Storage is closed'))).not.toMatch(/Warm/);
      expect(instance.output).not.toMatch(/Warming stopped/);
    } finally {
      await database.query('ROLLBACK');
      await database.query('DELETE FROM chat WHERE id = $1', [id]);
    }
  });

  describe('on a port that is taken', () => {
    let taken: Server;
    beforeAll(async () => {
      taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
    });
    afterAll(() => {
      taken.close();
    });

    it.each(['PORT', 'METRICS_PORT'])('fails before it asks the database, and names %s', async (variable) => {
      proxy.refuse();
      const { port } = taken.address() as { port: number };
      await launch({ [variable]: String(port) });
      expect(await waitUntil(() => !instance.isRunning, WAIT_MS)).toBe(true);
      expect(instance.ended).toBe(1);
      expect(instance.output).toContain(
        `Cannot listen on 127.0.0.1:${port} (${variable}): somebody else listens there`,
      );
      expect(instance.output).not.toMatch(/database/);
    });
  });

  it('with a database of its own ends by a signal and leaves no server behind: while it is made, and while it starts', async () => {
    const folder = await makeTestFolder();
    let data = '';
    let databases = 0;
    const servers = async (): Promise<readonly unknown[]> =>
      (await listProcesses()).filter(({ command }) => command.join(' ').includes(folder.path));
    const launchEmbedded = async (): Promise<void> => {
      metricsPort = await freePort();
      instance = InstanceProcess.launch({
        PORT: String(await freePort()),
        METRICS_PORT: String(metricsPort),
        CACHE_MAX_BYTES: '16MiB',
        SCROLLBACK_DATA_DIR: data,
      });
    };
    /**
     * Ends a start when it has come to a step, each time with a new database, until the signal was in time: on a busy
     * machine the step can be over before it is sent.
     */
    const endsDuring = async (isAtIt: () => boolean, isOver: () => boolean): Promise<boolean> => {
      for (let attempt = 1; attempt <= 5; attempt++) {
        data = join(folder.path, `data-${++databases}`);
        await launchEmbedded();
        expect(await waitUntil(isAtIt, WAIT_MS)).toBe(true);
        await endsPromptly();
        expect(await servers()).toEqual([]);
        if (!isOver()) return true;
      }
      return false;
    };
    const isMade = (): boolean => existsSync(join(data, 'cluster'));
    const isMaking = (): boolean => instance.output.includes('Creating the embedded database');
    const isListening = (): boolean => instance.output.includes('Listening');
    try {
      expect(await endsDuring(isMaking, isMade)).toBe(true);
      expect(await endsDuring(isMade, isListening)).toBe(true);

      await launchEmbedded();
      expect(await waitUntil(() => instance.isReady(), WAIT_MS)).toBe(true);
      process.kill(instance.pid!, 'SIGTERM');
      expect(await waitUntil(() => !instance.isRunning, WAIT_MS)).toBe(true);
      expect(instance.ended).toBe(0);
      expect(await servers()).toEqual([]);
    } finally {
      await instance.kill();
      await folder.remove();
    }
  });
});
