import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Warmer } from '../../src/cache/lifecycle/warmer.js';
import { HealthService } from '../../src/health/health.service.js';
import { DatabaseProbe } from '../../src/storage/database-probe.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';

interface Health {
  readonly status: string;
  readonly details: Readonly<Record<string, { readonly status: string; readonly state?: string }>>;
}

describe('the health checks', () => {
  let running: TestInstance;
  beforeAll(async () => {
    running = await startTestInstance();
    await waitUntil(() => running.instance.app.get(Warmer).isReady, 10_000);
  });
  afterAll(() => running.close());

  const ask = (name: string): ReturnType<TestInstance['api']['get']> => running.api.get(`/health/${name}`);

  it('say that all is well, naming each part', async () => {
    expect((await ask('live')).body).toEqual({ status: 'ok' });
    const ready = (await ask('ready')) as { status: number; body: Health };
    expect({ status: ready.status, parts: Object.keys(ready.body.details) }).toEqual({
      status: 200,
      parts: ['database', 'cache', 'coherence'],
    });
    expect((await ask('startup')).status).toBe(200);
  });

  it('answer 503 and name the part when the database does not answer, while the process lives', async () => {
    const probe = running.instance.app.get(DatabaseProbe);
    const isUp = probe.isUp.bind(probe);
    probe.isUp = () => Promise.resolve(false);
    try {
      const ready = (await ask('ready')) as { status: number; body: Health };
      expect(ready.status).toBe(503);
      expect(ready.body).toMatchObject({
        status: 'error',
        details: { database: { status: 'down' }, cache: { status: 'up' } },
      });
      expect((await ask('live')).status).toBe(200);
      expect((await ask('startup')).status).toBe(200);
    } finally {
      probe.isUp = isUp;
    }
    expect((await ask('ready')).status).toBe(200);
  });

  it('turn readiness alone to 503 when the instance is going away', async () => {
    running.instance.app.get(HealthService).startDraining();
    const ready = (await ask('ready')) as { status: number; body: Health };
    expect(ready.status).toBe(503);
    expect(ready.body.details['cache']).toMatchObject({ status: 'down', state: 'draining' });
    expect((await ask('live')).status).toBe(200);
    expect((await ask('startup')).status).toBe(200);
    // What is asked meanwhile is answered.
    expect((await running.api.get('/v1/users/ann/chats')).status).toBe(200);
  });
});
