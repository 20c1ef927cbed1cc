import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { ProcessLogger } from '../../src/common/process-logger.js';
import { readEnvironment } from '../../src/config/environment.js';
import { startInstance, type Instance } from '../../src/main.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { ApiClient } from '../support/api-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const SLOW_MS = 100;
const DEADLINE_MS = 20_000;

describe('a chat that somebody else holds locked', () => {
  let database: TestDatabase;
  let instance: Instance;
  let written = '';
  beforeAll(async () => {
    database = await createTestDatabase();
    const stream = { write: (text: string) => (written += text) };
    const environment = readEnvironment({
      PORT: '0',
      DATABASE_URL: database.url,
      COHERENCE_BUS: 'none',
      CACHE_MAX_BYTES: '64MiB',
      LOG_SLOW_REQUEST_MS: String(SLOW_MS),
      LOG_SLOW_SQL_MS: String(SLOW_MS),
    });
    instance = await startInstance(environment, new ProcessLogger('info', stream, stream));
  });
  afterAll(async () => {
    await instance?.close();
    await database?.drop();
  });

  it('has the statement that waits named with the requests that wait, and the requests', async () => {
    const api = new ApiClient(instance.url);
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }] });
    const locker = new Client({ connectionString: database.url });
    await locker.connect();
    await locker.query('BEGIN');
    await locker.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [id]);
    const ids = ['slow-a', 'slow-b'];
    const sends = ids.map((requestId) =>
      api.post(
        `/v1/chats/${id}/messages`,
        { senderId: 'ann', text: 'x' },
        { 'x-request-id': requestId, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
      ),
    );
    const isWaiting = async (): Promise<boolean> => {
      const waits = await database.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
           AND now() - query_start > $1 * interval '1 millisecond'`,
        [2 * SLOW_MS],
      );
      return waits.length > 0;
    };
    expect(await waitUntil(isWaiting, DEADLINE_MS)).toBe(true);
    await locker.query('ROLLBACK');
    await locker.end();
    for (const { status } of await Promise.all(sends)) expect(status).toBe(201);
    const lines = (): Record<string, unknown>[] =>
      written
        .split('\n')
        .filter((line) => line.includes('"event"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    // The first request of an instance may be slow as well.
    const requests = (): Record<string, unknown>[] =>
      lines().filter(({ event, requestId }) => event === 'slow_request' && ids.includes(String(requestId)));
    expect(await waitUntil(() => requests().length === 2, DEADLINE_MS)).toBe(true);
    const waited = lines().find(({ event, statement }) => event === 'slow_sql' && statement === 'lock-heads')!;
    expect(waited).toMatchObject({ level: 'warn', context: 'Sql', path: 'write', chats: 1 });
    const named = [waited['requestId'] ?? waited['requestIds']].flat();
    expect(named.length).toBe(waited['operations']);
    expect(ids).toEqual(expect.arrayContaining(named));
    expect(requests().map(({ requestId }) => requestId)).toEqual(expect.arrayContaining(ids));
    expect(requests()[0]).toMatchObject({
      level: 'warn',
      context: 'Http',
      method: 'POST',
      route: '/v1/chats/:chatId/messages',
      status: 201,
      traceId: 'a'.repeat(32),
    });
  });
});
