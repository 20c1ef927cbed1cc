// Imports a folder of conversations into a database of its own and reads every message back through the API, paging
// both ways: `npm run check:import -- DIR`. Prints what was compared; exit code 1 at the first difference.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../dist/src/storage/database.js';
import { readEnvironment } from '../dist/src/config/environment.js';
import { startInstance } from '../dist/src/main.js';
import { createLogger } from '../dist/src/common/log.js';
import { importFolder } from '../dist/src/cli/import.js';
import { ApiClient } from '../dist/test/support/api-client.js';
import { checkRoundTrip, readConversations } from '../dist/test/support/round-trip-check.js';

const source = process.argv[2];
if (source === undefined) {
  process.stderr.write('Name a folder in the import format.\n');
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), 'scrollback-check-'));
const environment = readEnvironment({ PORT: '0', SCROLLBACK_DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' });
const instance = await startInstance(environment, createLogger('warn'));
try {
  await importFolder(source, instance.app.get(Database));
  const conversations = await readConversations(source);
  const startedMs = performance.now();
  const report = await checkRoundTrip(conversations, new ApiClient(instance.url), (chats) => {
    if (chats % 2000 === 0) process.stderr.write(`${chats} chats compared\n`);
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `Compared ${report.messages} messages of ${report.chats} chats in ${report.pages} pages, both ways, in ${seconds} s: ` +
      'no hole, no double, every text equal.\n',
  );
} finally {
  await instance.close();
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);
