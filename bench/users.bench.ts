import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import { BenchDatabase } from './bench-database.js';
import { OrderProcess } from './load/order-process.js';
import { writeSection, type Figure } from './report.js';
import { ServerProcess } from './server-process.js';
import { sampleTexts } from './text-sample.js';
import type { AbuseOrder, AbuseReport } from './users/abuser-process.js';
import type { Habit, User, UserOrder, UserReport } from './users/user-process.js';

const CHATS = 1000;
const MESSAGES_PER_CHAT = 100;
const USERS = 1000;
const ABUSERS = 100;
const THINK_MS = 2000;
const WARM_UP_MS = 5000;
const MEASURED_MS = 60_000;

/** Requests of one caller in a second before more are refused. */
const RATE_LIMIT_MAX = 20;

const SECRET = 'a secret of more than thirty-two bytes';
const COMMAND = fileURLToPath(new URL('../../bin/scrollback.mjs', import.meta.url));

const TITLES: Readonly<Record<Habit, string>> = {
  read: 'latest messages',
  page: 'older messages',
  inbox: 'inbox',
  send: 'send',
  mark: 'read marker',
};

/** What users are answered, and when, alone and beside people who flood the instance. */
export async function benchUsers(source: string | undefined): Promise<void> {
  const database = await BenchDatabase.start(source, { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT });
  const users = new OrderProcess<UserOrder, UserReport>('others', programOf('users/user-process.js'));
  const abusers = new OrderProcess<AbuseOrder, AbuseReport>('others', programOf('users/abuser-process.js'));
  const server = await ServerProcess.start([COMMAND, 'serve'], {
    DATABASE_URL: database.url,
    PORT: '0',
    AUTH_MODE: 'jwt',
    AUTH_JWT_SECRET: SECRET,
    RATE_LIMIT_MAX: String(RATE_LIMIT_MAX),
    LOG_LEVEL: 'info',
  });
  const figures: Figure[] = [];
  const counts: string[] = [];
  try {
    const everybody = await peopleOf(database);
    const people = everybody.slice(0, USERS);
    const flooding = everybody.slice(USERS);
    const texts = await sampleTexts(source, 5000);
    for (const withAbusers of [false, true]) {
      const order = {
        port: server.port,
        users: people,
        texts,
        thinkMs: THINK_MS,
        warmUpMs: WARM_UP_MS,
        measuredMs: MEASURED_MS,
      };
      const flood = withAbusers
        ? abusers.run({ port: server.port, abusers: flooding, durationMs: WARM_UP_MS + MEASURED_MS })
        : undefined;
      const report = await users.run({ ...order, seed: withAbusers ? 2 : 1 });
      const name = withAbusers ? `beside ${ABUSERS} who flood` : 'alone';
      figures.push(...figuresOf(name, report));
      const errors = Object.entries(report.errors).map(([what, count]) => `${what} ${count} times`);
      counts.push(
        `${name}: ${report.requests.toLocaleString('en')} requests of users, ${errors.length === 0 ? 'no errors' : `errors: ${errors.join(', ')}`}`,
      );
      if (flood !== undefined) counts.push(`the flood: ${statusText(await flood)}`);
    }
  } finally {
    users.stop();
    abusers.stop();
    await server.stop();
    await database.stop();
  }
  writeSection(
    'Users beside abusers',
    `${USERS.toLocaleString('en')} users with tokens and connections of their own, who read, page, send real texts, look at their inbox and mark as read, one request ` +
      `every ${THINK_MS / 1000} s each at random times, for ${MEASURED_MS / 1000} s; then the same beside ${ABUSERS} members of chats as they are, who ask as fast as they are answered, three reads and a send on their way at once on a ` +
      `connection of each. \`RATE_LIMIT_MAX=${RATE_LIMIT_MAX}\`. The instance has a core of its own where there are several; clients and PostgreSQL share the others. Times are from when a ` +
      `request was to begin to the end of its answer. ${counts.join('; ')}.`,
    figures.sort((one, other) => one.table!.localeCompare(other.table!)),
  );
}

function programOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

function tokenOf(userId: string): Promise<string> {
  return new SignJWT({ sub: userId })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(Buffer.from(SECRET));
}

/** Those who are in the most chats. */
async function peopleOf(database: BenchDatabase): Promise<User[]> {
  const rows = await database.query<{ user_id: string; chat_ids: string[] }>(
    `SELECT user_id, array_agg(chat_id) AS chat_ids FROM participant WHERE role <> 'readonly' GROUP BY user_id
     ORDER BY count(*) DESC, user_id LIMIT $1`,
    [USERS + ABUSERS],
  );
  if (rows.length < USERS + ABUSERS) throw new Error(`There are too few people in the conversations: ${rows.length}.`);
  return Promise.all(
    rows.map(async ({ user_id: userId, chat_ids: chatIds }) => ({ userId, chatIds, token: await tokenOf(userId) })),
  );
}

function figuresOf(name: string, { timesMs }: UserReport): Figure[] {
  const share = (times: readonly number[], part: number): number => times[Math.floor(times.length * part)] ?? NaN;
  return (Object.entries(timesMs) as [Habit, readonly number[]][]).flatMap(([habit, times]) => [
    { table: 'p50', name: `${TITLES[habit]}, ${name}`, rounds: [share(times, 0.5)], unit: 'ms' },
    { table: 'p99', name: `${TITLES[habit]}, ${name}`, rounds: [share(times, 0.99)], unit: 'ms' },
  ]);
}

function statusText({ statuses, broken }: AbuseReport): string {
  const answers = Object.entries(statuses).map(([status, count]) => `${count.toLocaleString('en')} times ${status}`);
  return `${answers.join(', ')}, ${broken} connections broken`;
}
