import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom } from '../src/transfer/seeded-random.js';
import { RedisServer } from '../test/support/redis-server.js';
import { BenchDatabase } from './bench-database.js';
import { CORES_CAN_BE_CHOSEN, moveProcess } from './cores.js';
import { LoadGenerator } from './load/load-generator.js';
import type { LoadReport } from './load/load-process.js';
import type { RecordedPage } from './peers/bare-fastify.js';
import { SERVICE_KEY, SIDE_TITLES, startSide, type SideName, type SideSetting } from './peers/sides.js';
import { writeSection, type Figure } from './report.js';
import type { ServerProcess } from './server-process.js';

const CHATS = 1000;
const MESSAGES_PER_CHAT = 100;
const PAGE_LIMIT = 50;
const CONNECTIONS = 32;
const ROUNDS = 5;
const WARM_UP_MS = 600;
/** Before the first round, so that every side's code is compiled and its cache full. */
const FIRST_WARM_UP_MS = 2500;
const MEASURED_MS = 3000;
const CHECKED_CHATS = 20;

/** Of the answers' headers, those that the bare server sends as well. */
const RECORDED_HEADERS = ['content-type', 'etag', 'cache-status'];

const SIDES = Object.keys(SIDE_TITLES) as SideName[];

const AUTHORIZATION = `Bearer ${SERVICE_KEY}`;

/**
 * Latest pages of 50 messages over HTTP, drawn at random from 1,000 chats: Scrollback, the floor, and what teams write
 * otherwise. Every side is a process of its own and is measured in turn, in another order each round.
 */
export async function benchReads(source: string | undefined): Promise<void> {
  const database = await BenchDatabase.start(source, { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT });
  const redis = await RedisServer.start();
  const load = new LoadGenerator();
  const servers = new Map<SideName, ServerProcess>();
  try {
    moveProcess('others', redis.pid);
    const setting = { database, redisUrl: redis.url, pagesFile: join(database.folder, 'pages.jsonl') };
    const bytes = await startAll(setting, servers);
    for (const side of SIDES) await check(servers.get(side)!, side, database);
    writeReport(source, bytes, await measure(servers, load, database.chatIds));
  } finally {
    load.stop();
    for (const server of servers.values()) await server.stop();
    await redis.stop();
    await database.stop();
  }
}

/** @returns bytes of a page on average. */
async function startAll(setting: SideSetting, servers: Map<SideName, ServerProcess>): Promise<number> {
  for (const side of SIDES) {
    servers.set(side, await startSide(side, setting));
    if (side !== 'scrollback') continue;
    const pages = await recordPages(servers.get(side)!, setting.database.chatIds);
    await writeFile(setting.pagesFile, pages.map((page) => `${JSON.stringify(page)}\n`).join(''));
  }
  const { chatIds } = setting.database;
  let bytes = 0;
  for (const chatId of chatIds) bytes += (await (await read(servers.get('bare')!, chatId)).arrayBuffer()).byteLength;
  return bytes / chatIds.length;
}

/** Reads every chat's page from the instance, twice: the second answer comes from its cache. */
async function recordPages(server: ServerProcess, chatIds: readonly string[]): Promise<RecordedPage[]> {
  const pages: RecordedPage[] = [];
  for (const chatId of chatIds) {
    await (await read(server, chatId)).arrayBuffer();
    const answer = await read(server, chatId);
    if (answer.headers.get('cache-status') !== 'scrollback; hit') throw new Error(`${chatId} is not cached.`);
    const headers = Object.fromEntries(RECORDED_HEADERS.map((name) => [name, answer.headers.get(name)!]));
    pages.push({ chatId, headers, body: await answer.text() });
  }
  return pages;
}

/** A side has to answer what is in the database, and nobody without the key. */
async function check(server: ServerProcess, side: SideName, database: BenchDatabase): Promise<void> {
  const random = new SeededRandom(1);
  for (let index = 0; index < CHECKED_CHATS; index++) {
    const chatId = random.pick(database.chatIds);
    const expected = JSON.stringify(await database.latestTexts(chatId, PAGE_LIMIT));
    // Twice: what fills a cache, and what comes from it.
    for (let time = 0; time < 2; time++) {
      const page = (await (await read(server, chatId)).json()) as { chatId: string; items: { text: string }[] };
      const texts = page.items.map(({ text }) => text);
      if (page.chatId !== chatId || texts.length !== PAGE_LIMIT || JSON.stringify(texts) !== expected) {
        throw new Error(`${SIDE_TITLES[side]} has answered something else than the latest page of ${chatId}.`);
      }
    }
  }
  const { status } = await fetch(pageUrl(server, database.chatIds[0]!));
  if (status !== (side === 'bare' ? 200 : 401))
    throw new Error(`${SIDE_TITLES[side]} answers ${status} without a key.`);
}

async function measure(
  servers: ReadonlyMap<SideName, ServerProcess>,
  load: LoadGenerator,
  chatIds: readonly string[],
): Promise<Record<SideName, LoadReport[]>> {
  const reports = Object.fromEntries(SIDES.map((side) => [side, [] as LoadReport[]])) as Record<SideName, LoadReport[]>;
  const requests = chatIds.map(
    (chatId) =>
      `GET ${pagePath(chatId)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${AUTHORIZATION}\r\nAccept: application/json\r\n\r\n`,
  );
  const slice = async (side: SideName, warmUpMs: number, measuredMs: number, seed: number): Promise<LoadReport> => {
    const { port, pid: serverPid } = servers.get(side)!;
    return load.run({ port, serverPid, requests, connections: CONNECTIONS, warmUpMs, measuredMs, seed });
  };
  for (const side of SIDES) await slice(side, FIRST_WARM_UP_MS, 100, 0);
  for (let round = 1; round <= ROUNDS; round++) {
    const first = ((round - 1) * 3) % SIDES.length;
    for (const side of [...SIDES.slice(first), ...SIDES.slice(0, first)]) {
      const report = await slice(side, WARM_UP_MS, MEASURED_MS, round);
      reports[side].push(report);
      process.stderr.write(
        `round ${round}: ${SIDE_TITLES[side]}: ${Math.round(report.requestsPerSecond)} req/s, ` +
          `p99 ${report.p99Ms.toFixed(2)} ms, client busy ${Math.round(report.clientBusy * 100)} %\n`,
      );
    }
  }
  return reports;
}

function writeReport(source: string | undefined, bytes: number, reports: Record<SideName, LoadReport[]>): void {
  const rates = (side: SideName): number[] => reports[side].map((report) => report.requestsPerSecond);
  const cpuTimes = (side: SideName): number[] => reports[side].flatMap((report) => report.serverCpuUs ?? []);
  const others = SIDES.filter((side) => side !== 'scrollback');
  const table = (title: string, unit: string, pick: (side: SideName) => number[]): Figure[] =>
    SIDES.map((side) => ({ table: title, name: SIDE_TITLES[side], rounds: pick(side), unit }));
  const busiest = Math.round(
    Math.max(...SIDES.flatMap((side) => reports[side].map(({ clientBusy }) => clientBusy))) * 100,
  );
  writeSection(
    'Reads over HTTP',
    `${source === undefined ? 'Made-up' : 'Real'} conversations, ${CHATS.toLocaleString('en')} chats of ${MESSAGES_PER_CHAT} messages. ` +
      `\`GET /v1/chats/{chatId}/messages?limit=${PAGE_LIMIT}\` of random chats over ${CONNECTIONS} keep-alive connections; a page has ` +
      `${(bytes / 1024).toFixed(1)} KiB on average. All sides but the bare one check a service key and measure their requests; all caches are ` +
      `full. ${
        CORES_CAN_BE_CHOSEN
          ? 'The server that is measured has a core of its own; the client, PostgreSQL and Redis share the others.'
          : 'Servers, client, PostgreSQL and Redis share the cores.'
      } The client was busy at most ${busiest} % of a core's time. A server's CPU time is without that of PostgreSQL and Redis. ` +
      'What the sides are and why: `docs/decisions.md`.',
    [
      ...others.map((side) => ({
        table: 'Scrollback’s requests per second / those of',
        name: SIDE_TITLES[side],
        rounds: rates('scrollback').map((rate, round) => rate / rates(side)[round]!),
        unit: '',
      })),
      ...others.map((side) => ({
        table: 'CPU time for a request / Scrollback’s',
        name: SIDE_TITLES[side],
        rounds: cpuTimes(side).map((time, round) => time / cpuTimes('scrollback')[round]!),
        unit: '',
      })),
      ...table('requests per second', '', rates),
      ...table('time of an answer, p50', 'ms', (side) => reports[side].map((report) => report.p50Ms)),
      ...table('time of an answer, p99', 'ms', (side) => reports[side].map((report) => report.p99Ms)),
      ...table('CPU time for a request', 'µs', cpuTimes),
    ].filter(({ rounds }) => rounds.length > 0),
  );
}

async function read(server: ServerProcess, chatId: string): Promise<Response> {
  const answer = await fetch(pageUrl(server, chatId), { headers: { authorization: AUTHORIZATION } });
  if (answer.status !== 200) throw new Error(`${answer.url} answers ${answer.status}: ${await answer.text()}`);
  return answer;
}

function pageUrl(server: ServerProcess, chatId: string): string {
  return `${server.url}${pagePath(chatId)}`;
}

function pagePath(chatId: string): string {
  return `/v1/chats/${chatId}/messages?limit=${PAGE_LIMIT}`;
}
