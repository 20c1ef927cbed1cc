import { createLogger } from '../../src/common/log.js';
import { readEnvironment } from '../../src/config/environment.js';
import { startInstance, type Instance } from '../../src/main.js';
import { ApiClient } from './api-client.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** A running instance with a database of its own, and a client that speaks to it. */
export interface TestInstance {
  readonly instance: Instance;
  readonly database: TestDatabase;
  readonly api: ApiClient;
  close(): Promise<void>;
}

/** Starts an instance on a free port. Settings are environment variables over quiet defaults. */
export async function startTestInstance(
  settings: Readonly<Record<string, string>> = {},
  database?: TestDatabase,
): Promise<TestInstance> {
  const own = database ?? (await createTestDatabase());
  const environment = readEnvironment({
    PORT: '0',
    LOG_LEVEL: 'fatal',
    DATABASE_URL: own.url,
    CACHE_MAX_BYTES: '64MiB',
    // A test that keeps the loop, which it shares, or a busy machine is no reason to refuse requests.
    MAX_EVENT_LOOP_DELAY_MS: '0',
    ...settings,
  });
  const instance = await startInstance(environment, createLogger(environment.LOG_LEVEL));
  return {
    instance,
    database: own,
    api: new ApiClient(instance.url),
    close: async () => {
      await instance.close();
      if (database === undefined) await own.drop();
    },
  };
}
