import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../src/storage/embedded/embedded-postgres.js';
import { writeSection, type Figure } from './report.js';
import { sampleTexts } from './text-sample.js';
import { alternate, type Slice } from './writes/alternate.js';
import { GrowthDatabase } from './writes/growth-database.js';
import { InProcessWriters } from './writes/in-process-writers.js';

const CHATS = 100_000;
const MESSAGES = 10_000_000;
/** Chats that people write to on one day, of all that there are. */
const ACTIVE_CHATS = 1000;
const ROUNDS = 5;
const WARM_UP_MS = 500;
const MEASURED_MS = 4000;
const WRITERS = 1024;
const SETTINGS = { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h' };

interface GrowthSlice extends Slice {
  /** CPU time of the server and of the writing process for a message. */
  readonly cpuUs: number | undefined;
}

/** What a message costs in a database with ten million messages, and in one with as many chats and no message. */
export async function benchGrowth(source: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'scrollback-bench-'));
  await chmod(folder, 0o755);
  const texts = await sampleTexts(source, 1000);
  const server = await EmbeddedPostgres.start({ dataDir: join(folder, 'database'), settings: SETTINGS });
  try {
    const grown = await GrowthDatabase.create(server, 'grown', CHATS, true);
    const empty = await GrowthDatabase.create(server, 'empty', CHATS, false);
    const writers = { grown: new InProcessWriters(grown), empty: new InProcessWriters(empty) };
    try {
      const active = await compare({ grown, empty }, writers, texts, ACTIVE_CHATS);
      const any = await compare({ grown, empty }, writers, texts, CHATS);
      writeReport(source, { active, any });
    } finally {
      writers.grown.stop();
      writers.empty.stop();
      await grown.close();
      await empty.close();
    }
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

type Side = 'grown' | 'empty';
type Compared = Record<Side, GrowthSlice[]>;

async function compare(
  databases: Record<Side, GrowthDatabase>,
  writers: Record<Side, InProcessWriters>,
  texts: readonly string[],
  chats: number,
): Promise<Compared> {
  const stride = CHATS / chats;
  const side = (name: Side) => ({
    title: `${name}, ${chats.toLocaleString('en')} chats`,
    run: async (seed: number): Promise<GrowthSlice> => {
      const chatIds = databases[name].chatIds.filter((_id, index) => index % stride === 0);
      const report = await writers[name].run({
        chatIds,
        senderIds: ['user-1', 'user-2', 'user-3'],
        texts,
        writers: WRITERS,
        warmUpMs: WARM_UP_MS,
        measuredMs: MEASURED_MS,
        seed,
      });
      const { serverCpuUs, acknowledged, messages } = report;
      const cpuUs = serverCpuUs === undefined ? undefined : serverCpuUs / acknowledged + report.cpuUs / messages;
      return { ...report, cpuUs };
    },
  });
  return alternate(databases.grown, { grown: side('grown'), empty: side('empty') }, ROUNDS);
}

function writeReport(source: string | undefined, compared: Record<'active' | 'any', Compared>): void {
  const places = {
    active: `sends to ${ACTIVE_CHATS.toLocaleString('en')} of the chats`,
    any: `sends to all ${CHATS.toLocaleString('en')} chats`,
  };
  const each = (table: string, unit: string, pick: (slices: Compared, round: number) => number | undefined): Figure[] =>
    (['active', 'any'] as const).map((place) => ({
      table,
      name: places[place],
      rounds: compared[place].grown.flatMap((_slice, round) => pick(compared[place], round) ?? []),
      unit,
    }));
  const cpu = (slices: Compared, side: Side, round: number): number | undefined => slices[side][round]!.cpuUs;
  const figures = [
    ...each('CPU time for a message, with 10 million / with none', '', (slices, round) => {
      const [grown, empty] = [cpu(slices, 'grown', round), cpu(slices, 'empty', round)];
      return grown === undefined || empty === undefined ? undefined : grown / empty;
    }),
    ...each(
      'messages per second, with none / with 10 million',
      '',
      (slices, round) => slices.empty[round]!.perSecond / slices.grown[round]!.perSecond,
    ),
    ...each('CPU time for a message, with 10 million', 'µs', (slices, round) => cpu(slices, 'grown', round)),
    ...each('CPU time for a message, with none', 'µs', (slices, round) => cpu(slices, 'empty', round)),
    ...each('messages per second, with 10 million', '', (slices, round) => slices.grown[round]!.perSecond),
    ...each('messages per second, with none', '', (slices, round) => slices.empty[round]!.perSecond),
  ];
  writeSection(
    'Growth of writes',
    `Sends of ${WRITERS.toLocaleString('en')} writers in process into two databases of one PostgreSQL, both with ` +
      `${CHATS.toLocaleString('en')} chats: in the one they have ${MESSAGES.toLocaleString('en')} messages together, in the other none at first. ` +
      `${source === undefined ? 'Made-up' : 'Real'} texts; \`fsync\`, \`synchronous_commit\` and \`full_page_writes\` on; a checkpoint before ` +
      'each slice. CPU time is that of PostgreSQL and of the writing process together.',
    figures.filter(({ rounds }) => rounds.length > 0),
  );
}
