import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CacheState } from '../src/cache/cache-state.js';
import { CacheStats } from '../src/cache/cache-stats.js';
import { Warmer } from '../src/cache/lifecycle/warmer.js';
import { ChatReader } from '../src/cache/read/chat-reader.js';
import { ChatRepository } from '../src/storage/chat-repository.js';
import { fillOptions } from './fill-options.js';
import { Database } from '../src/storage/database.js';
import { EmbeddedPostgres } from '../src/storage/embedded/embedded-postgres.js';
import { HeatRepository } from '../src/storage/heat-repository.js';
import { migrate } from '../src/storage/migrate.js';
import { TailRepository } from '../src/storage/tail-repository.js';
import { ChangeFeed } from '../src/storage/write/change-feed.js';
import { GroupCommit } from '../src/storage/write/group-commit.js';
import { nothing } from './probe/cache-probe.js';
import { writeSection } from './report.js';

const ROUNDS = 7;
const CHAT_MESSAGES = 100;
/** More than everything takes, so that warming ends with the last chat. */
const BUDGET_BYTES = 16 * 2 ** 30;

/** The columns that warming reads, in the order in which it reads them. */
const COPY_MESSAGES = {
  name: 'bench-copy',
  text: `
    COPY (
      SELECT seq, created_at, sender_id, text, client_id, kind = 'system', nullif(metadata, '{}')::text, reply_to, edited_at,
        deleted_at
      FROM message
      ORDER BY chat_id, seq
    ) TO STDOUT (FORMAT binary)`,
};

/**
 * Chats of 100 messages and five participants each. Texts are log-normal in length with a median of about 70 bytes; some have
 * quotes, line ends or letters beyond ASCII; half of the messages have a client id, some a reply, an edit or metadata.
 */
const FILL = [
  `SELECT setseed(0.5)`,
  `INSERT INTO chat (id, title)
   SELECT ('00000000-0000-7000-8000-' || lpad(c::text, 12, '0'))::uuid, 'chat ' || c FROM generate_series(1, $1::int) c`,
  `INSERT INTO chat_head (chat_id, last_seq, version) SELECT id, ${CHAT_MESSAGES}, ${CHAT_MESSAGES + 1} FROM chat`,
  `INSERT INTO participant (chat_id, user_id)
   SELECT id, 'user-' || abs(hashtext(id::text || p)) % 40000 FROM chat, generate_series(1, 5) p ON CONFLICT DO NOTHING`,
  `INSERT INTO message (chat_id, seq, version, sender_id, client_id, text, metadata, created_at, edited_at, reply_to)
   SELECT c.id, s, s + 1, 'user-' || (random() * 40000)::int, CASE WHEN s % 2 = 0 THEN gen_random_uuid()::text END,
     left(repeat(CASE s % 8 WHEN 0 THEN 'she said "yes" and' || E'\\n' WHEN 1 THEN 'Grüße aus Köln, bis später! '
       ELSE 'words of a message, one after the other ' END, 100),
       (exp(4.25 + 2.2 * (random() + random() + random() - 1.5)))::int + 2),
     CASE WHEN s % 50 = 0 THEN '{"mentions": ["ann", "bob"]}'::jsonb END,
     timestamptz '2026-01-01Z' + abs(hashtext(c.id::text)) % 200 * interval '1 day' + s * interval '37 minutes',
     CASE WHEN s % 40 = 0 THEN timestamptz '2026-10-01Z' END, CASE WHEN s % 10 = 9 THEN s - 1 END
   FROM chat c, generate_series(1, ${CHAT_MESSAGES}) s
   ORDER BY c.id, s`,
  `INSERT INTO reaction (chat_id, seq, user_id, emoji) SELECT id, 50, 'user-1', '👍' FROM chat`,
  `VACUUM ANALYZE`,
];

/**
 * Warming of every chat against `COPY … TO STDOUT` of the same columns of the same messages, read to its end and thrown away by
 * the same process, alternating.
 */
export async function benchWarm(messages = 1_000_000): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'scrollback-bench-'));
  await chmod(folder, 0o777);
  const server = await EmbeddedPostgres.start({ dataDir: join(folder, 'database') });
  Logger.overrideLogger(['warn', 'error', 'fatal']);
  try {
    const source = await new DataSource(fillOptions(server.connection)).initialize();
    await migrate(source);
    for (const sql of FILL) await source.query(sql, sql.includes('$1') ? [messages / CHAT_MESSAGES] : []);
    const database = new Database(source);
    const warmRates: number[] = [];
    const copyRates: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const copySeconds = await seconds(() => copyAll(database));
      const warmSeconds = await seconds(() => warmAll(database, messages));
      process.stderr.write(
        `round ${round}: warm ${warmSeconds.toFixed(2)} s, COPY ${copySeconds.toFixed(2)} s` +
          `${round === 0 ? ', not counted' : ''}\n`,
      );
      if (round === 0) continue;
      warmRates.push(messages / warmSeconds);
      copyRates.push(messages / copySeconds);
    }
    await source.destroy();
    writeSection(
      'Warming',
      `${messages.toLocaleString('en')} messages in chats of ${CHAT_MESSAGES} from the database into the cache, and ` +
        '`COPY … TO STDOUT` (binary) of the same columns of the same rows, read by the same process and thrown away. ' +
        'The last line is the time of warming by the time of COPY.',
      [
        { name: 'warming', rounds: warmRates, unit: 'messages/s' },
        { name: 'COPY TO STDOUT', rounds: copyRates, unit: 'messages/s' },
        { name: 'warming / COPY, time', rounds: copyRates.map((rate, round) => rate / warmRates[round]!), unit: '' },
      ],
    );
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyAll(database: Database): Promise<void> {
  let bytes = 0;
  await database.snapshot((transaction) =>
    transaction.copyOut(COPY_MESSAGES, {
      onData: (_bytes, from, to) => {
        bytes += to - from;
      },
    }),
  );
  if (bytes === 0) throw new Error('COPY gave nothing.');
}

async function warmAll(database: Database, messages: number): Promise<void> {
  const state = new CacheState({
    mode: 'on',
    maxBytes: BUDGET_BYTES,
    tailMessages: CHAT_MESSAGES,
    warmDeadlineMs: 3_600_000,
    pollMs: 1000,
  });
  const feed = new ChangeFeed();
  const chats = new ChatRepository(database, new GroupCommit(database, feed, { dataDir: '', writeQueueMax: 0 }), feed);
  const tails = new TailRepository(database);
  const reader = new ChatReader(chats, state, new CacheStats(), tails, nothing(), nothing(), nothing());
  const warmer = new Warmer(new HeatRepository(database), reader, state);
  warmer.start();
  while (!warmer.isReady) await delay(2);
  if (warmer.status.messages !== messages) throw new Error(`${warmer.status.messages} messages are warm.`);
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}
