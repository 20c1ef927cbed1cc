import type { BenchDatabase } from '../bench-database.js';
import { LoadGenerator } from '../load/load-generator.js';
import type { LoadOrder, LoadReport } from '../load/load-process.js';
import { PEER_SCHEMA } from '../peers/nest-typeorm/peer-database.js';
import { SERVICE_KEY, SIDE_TITLES, startSide } from '../peers/sides.js';
import type { ServerProcess } from '../server-process.js';
import type { Slice } from './alternate.js';

/** The sides that are sent to over HTTP. */
export type HttpSide = 'scrollback' | 'plain';

const TABLES: Readonly<Record<HttpSide, string>> = { scrollback: 'public.message', plain: `${PEER_SCHEMA}.message` };

/** What a slice of sends over HTTP came to. */
export type HttpSlice = LoadReport & Slice;

/** Scrollback and its plain peer, each a server on a core of its own, and who sends to them. */
export class HttpSenders {
  private constructor(
    private readonly database: BenchDatabase,
    private readonly servers: Readonly<Record<HttpSide, ServerProcess>>,
    private readonly load: LoadGenerator,
  ) {}

  /** Starts the servers. From now on PostgreSQL serves new connections on the cores of those that are not measured. */
  static async start(database: BenchDatabase): Promise<HttpSenders> {
    database.moveTo('others');
    const setting = { database, redisUrl: '', pagesFile: '' };
    const scrollback = await startSide('scrollback', setting);
    const senders = new HttpSenders(
      database,
      { scrollback, plain: await startSide('plain', setting) },
      new LoadGenerator(),
    );
    for (const side of ['scrollback', 'plain'] as const) await senders.#check(side);
    return senders;
  }

  /** @throws Error when not every answer was a 201, or not every message is in the database. */
  async run(side: HttpSide, order: Omit<LoadOrder, 'port' | 'serverPid' | 'status'>): Promise<HttpSlice> {
    const { port, pid: serverPid } = this.servers[side];
    const before = await this.database.countMessages(TABLES[side]);
    const report = await this.load.run({ ...order, port, serverPid, status: 201 });
    const written = (await this.database.countMessages(TABLES[side])) - before;
    if (written !== report.allRequests) {
      throw new Error(
        `${SIDE_TITLES[side]} has acknowledged ${report.allRequests} messages, and ${written} are there.`,
      );
    }
    return { ...report, perSecond: report.requestsPerSecond };
  }

  /** Ends the servers. */
  async stop(): Promise<void> {
    this.load.stop();
    for (const server of Object.values(this.servers)) await server.stop();
  }

  /** A side numbers what is sent, tells a repeated send what was sent first, and lets nobody in without the key. */
  async #check(side: HttpSide): Promise<void> {
    const url = `${this.servers[side].url}/v1/chats/${this.database.chatIds[0]!}/messages`;
    const send = async (clientId: string, key: string): Promise<[number, string | undefined]> => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
      const body = JSON.stringify({ text: 'checked', senderId: 'user-1', clientId });
      const answer = await fetch(url, { method: 'POST', headers, body });
      const { seq } = (await answer.json()) as { seq?: string | number };
      return [answer.status, seq === undefined ? undefined : String(seq)];
    };
    const before = await this.database.countMessages(TABLES[side]);
    const [first, second, again, refused] = [
      await send('check 1', SERVICE_KEY),
      await send('check 2', SERVICE_KEY),
      await send('check 1', SERVICE_KEY),
      await send('check 3', 'wrong'),
    ];
    const isRight =
      first[0] === 201 && Number(second[1]) === Number(first[1]) + 1 && again[0] < 300 && refused[0] === 401;
    if (!isRight || (await this.database.countMessages(TABLES[side])) !== before + 2) {
      throw new Error(
        `${SIDE_TITLES[side]} does not write as it should: ${JSON.stringify([first, second, again, refused])}`,
      );
    }
  }
}
