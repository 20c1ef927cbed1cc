import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { SeededRandom } from '../src/transfer/seeded-random.js';
import { HttpLine, jsonOf } from '../test/faults/http-line.js';
import { Cluster } from '../test/support/cluster.js';
import { BenchDatabase } from './bench-database.js';
import { writeSection, type Figure } from './report.js';

const CHATS = 100;
const MESSAGES_PER_CHAT = 100;
const ROUNDS = 5;
const WRITES = 200;
/** With no bus each takes a poll's time: fewer do. */
const POLLED_WRITES = 20;
const ANSWER_LIMIT_MS = 30_000;

type Bus = 'redis' | 'postgres' | 'none';

/** What a chat's version is at an instance. */
type Versions = (chatId: string) => Promise<number>;

/**
 * How long after the answer to a write on one instance another one shows it, by bus, and how long after its COMMIT a change made in
 * SQL is shown. All with the default settings. Another instance is asked again and again without a pause, so an answer's time is part
 * of what is measured.
 */
export async function benchLag(source: string | undefined): Promise<void> {
  const database = await BenchDatabase.start(source, { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT }, 'anywhere');
  const lags = new Map<string, number[][]>();
  const note = (side: string, times: number[]): void => {
    lags.set(side, [...(lags.get(side) ?? []), times.toSorted((one, other) => one - other)]);
    process.stderr.write(`${side}: p50 ${share(lags.get(side)!.at(-1)!, 0.5).toFixed(2)} ms\n`);
  };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const bus of ['redis', 'postgres', 'none'] as const) {
        const cluster = await Cluster.start({ instances: 2, bus, databaseUrl: database.url, nginxPort: 'none' });
        const lines = cluster.instances.map(({ port }) => new HttpLine(port, ANSWER_LIMIT_MS));
        try {
          const random = new SeededRandom(round);
          note(bus, await timeWrites(lines, database.chatIds, bus, random));
          if (bus === 'none') note('by hand', await timeHandEdits(lines, database, random));
        } finally {
          for (const line of lines) line.close();
          await cluster.close();
        }
      }
    }
  } finally {
    await database.stop();
  }
  const rows = (part: number): Figure[] =>
    [...lags].map(([side, rounds]) => ({
      table: part === 1 ? 'the longest' : `p${part * 100}`,
      name: TITLES[side]!,
      rounds: rounds.map((times) => share(times, part)),
      unit: 'ms',
    }));
  writeSection(
    'Lag between instances',
    `From the answer to a write on one instance until another one shows it (0 when it shows it earlier), and from a COMMIT by psql until an ` +
      `instance shows it. Two instances with default settings over one PostgreSQL, one write at a time into ${CHATS} chats that both hold; ${WRITES} ` +
      `writes a round with a bus, ${POLLED_WRITES} without. Client, instances, PostgreSQL and Redis share all cores.`,
    [...rows(0.5), ...rows(0.99), ...rows(1)],
  );
}

const TITLES: Readonly<Record<string, string>> = {
  redis: 'bus over Redis',
  postgres: 'bus over PostgreSQL',
  none: 'no bus, polls of 1,000 ms',
  'by hand': 'UPDATE of a message by hand, polls of 1,000 ms',
};

async function timeWrites(
  [one, other]: readonly HttpLine[],
  chatIds: readonly string[],
  bus: Bus,
  random: SeededRandom,
): Promise<number[]> {
  const versions = versionsAt(other!);
  for (const chatId of chatIds) await versions(chatId);
  const times: number[] = [];
  // The first are not counted: code is compiled, connections are made.
  const uncounted = bus === 'none' ? 1 : 30;
  const count = bus === 'none' ? POLLED_WRITES : WRITES;
  for (let write = -uncounted; write < count; write++) {
    const chatId = random.pick(chatIds);
    const before = await versions(chatId);
    const answer = await one!.ask({
      method: 'POST',
      path: `/v1/chats/${chatId}/messages`,
      body: { text: 'How long until they see this?', senderId: 'user-1' },
    });
    if (answer?.status !== 201) throw new Error(`A send was answered ${answer?.status} ${answer?.text}`);
    const answeredMs = performance.now();
    const seenMs = await untilAbove(before, () => versions(chatId));
    if (write >= 0) times.push(seenMs - answeredMs);
    // At any time between two polls.
    await sleep(bus === 'none' ? random.integer(1000) : random.integer(10));
  }
  return times;
}

async function timeHandEdits(
  [one]: readonly HttpLine[],
  database: BenchDatabase,
  random: SeededRandom,
): Promise<number[]> {
  const versions = versionsAt(one!);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const times: number[] = [];
    for (let edit = 0; edit < POLLED_WRITES; edit++) {
      const chatId = random.pick(database.chatIds);
      const before = await versions(chatId);
      await client.query('UPDATE message SET text = text || $2 WHERE chat_id = $1 AND seq = 1', [chatId, '.']);
      const committedMs = performance.now();
      times.push((await untilAbove(before, () => versions(chatId))) - committedMs);
      await sleep(random.integer(1000));
    }
    return times;
  } finally {
    await client.end();
  }
}

/** @returns when the answer came that was above. */
async function untilAbove(before: number, look: () => Promise<number>): Promise<number> {
  const limitMs = performance.now() + ANSWER_LIMIT_MS;
  while ((await look()) <= before) {
    if (performance.now() > limitMs) throw new Error('A write was not seen.');
  }
  return performance.now();
}

function versionsAt(line: HttpLine): Versions {
  return async (chatId) => {
    const answer = await line.ask({ method: 'GET', path: `/v1/chats/${chatId}` });
    return jsonOf<{ version: number }>(answer!).version;
  };
}

/** @param part - from 0 to 1 of an ascending list. */
function share(times: readonly number[], part: number): number {
  return times[Math.min(times.length - 1, Math.floor(part * times.length))]!;
}
