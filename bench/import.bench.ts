import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { fillOptions } from './fill-options.js';
import { Database } from '../src/storage/database.js';
import { EmbeddedPostgres } from '../src/storage/embedded/embedded-postgres.js';
import { migrate } from '../src/storage/migrate.js';
import { generateConversations } from '../src/transfer/generator.js';
import { Importer } from '../src/transfer/importer.js';
import { writeSection } from './report.js';

const TABLES = ['user_profile', 'chat', 'chat_head', 'participant', 'message'];
const ROUNDS = 3;
const GENERATED_MESSAGES = 500_000;

/**
 * `scrollback import` of a folder against `COPY … FROM` a file of the same rows into the same tables, on the same server,
 * alternating. The import reads, checks and places its lines; COPY reads ready rows from the server's own disk.
 */
export async function benchImport(source: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'scrollback-bench-'));
  await chmod(folder, 0o777);
  const server = await EmbeddedPostgres.start({ dataDir: join(folder, 'database') });
  try {
    let from = source;
    if (from === undefined) {
      from = join(folder, 'made');
      await generateConversations(from, { messages: GENERATED_MESSAGES, seed: 1 });
    }
    const dataSource = await new DataSource(fillOptions(server.connection)).initialize();
    await migrate(dataSource);
    const importRates: number[] = [];
    const copyRates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await empty(dataSource);
      let messages = 0;
      const importSeconds = await seconds(async () => {
        messages = (await new Importer(new Database(dataSource)).run(from)).messages;
      });
      importRates.push(messages / importSeconds);
      for (const table of TABLES) await dataSource.query(`COPY ${table} TO '${join(folder, table)}.copy'`);
      await empty(dataSource);
      const copySeconds = await seconds(async () => {
        for (const table of TABLES) await dataSource.query(`COPY ${table} FROM '${join(folder, table)}.copy'`);
      });
      copyRates.push(messages / copySeconds);
      process.stderr.write(
        `round ${round + 1}: import ${importSeconds.toFixed(1)} s, COPY ${copySeconds.toFixed(1)} s\n`,
      );
    }
    await dataSource.destroy();
    writeSection(
      'Import',
      `${source === undefined ? 'Made-up' : 'Real'} conversations through \`scrollback import\`, and \`COPY … FROM\` of the same rows.`,
      [
        { name: 'import', rounds: importRates, unit: 'messages/s' },
        { name: 'COPY FROM', rounds: copyRates, unit: 'messages/s' },
        { name: 'import / COPY FROM', rounds: importRates.map((rate, round) => rate / copyRates[round]!), unit: '' },
      ],
    );
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function empty(dataSource: DataSource): Promise<void> {
  await dataSource.query(`TRUNCATE ${TABLES.join(', ')}`);
  await dataSource.query('CHECKPOINT');
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}
