import { BenchDatabase } from '../bench-database.js';
import { sampleTexts } from '../text-sample.js';
import { InProcessWriters } from './in-process-writers.js';
import { OneRowCommits } from './one-row-commits.js';
import { Pgbench } from './pgbench.js';

const CHATS = 1000;
const MESSAGES_PER_CHAT = 100;
const TEXTS = 1000;
const SENDERS = 200;

/** What the benchmarks of writes share: one server with the tables of all sides, and what is written. */
export class WriteBench {
  private constructor(
    readonly database: BenchDatabase,
    /** Real texts, or made-up ones. */
    readonly texts: readonly string[],
    /** The conversations and the server, as sentences. */
    readonly about: string,
  ) {}

  readonly senderIds: readonly string[] = Array.from({ length: SENDERS }, (_, index) => `user-${index + 1}`);

  /** Starts the server, on all cores, and fills it. */
  static async start(source: string | undefined): Promise<WriteBench> {
    const texts = await sampleTexts(source, TEXTS);
    const database = await BenchDatabase.start(
      source,
      { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT },
      'anywhere',
    );
    return new WriteBench(
      database,
      texts,
      `${source === undefined ? 'Made-up' : 'Real'} texts, at random into ${CHATS.toLocaleString('en')} chats that have ` +
        `${MESSAGES_PER_CHAT} messages before; every message has a client id that is checked. One PostgreSQL for all sides, with ` +
        '`fsync`, `synchronous_commit` and `full_page_writes` on; a checkpoint before each slice; messages are counted in the ' +
        'database afterwards. What the sides are and why: `docs/decisions.md`.',
    );
  }

  /** A text as long as the texts are on average, for a side that writes always the same. */
  get averageText(): string {
    const bytes = this.texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / this.texts.length;
    return 'x'.repeat(Math.round(bytes));
  }

  /** Starts an application that writes through the repositories. */
  startWriters(): InProcessWriters {
    return new InProcessWriters(this.database);
  }

  /** Makes the tables that pgbench writes to. */
  async prepareOneRowCommits(): Promise<OneRowCommits> {
    return OneRowCommits.prepare(this.database, await Pgbench.find());
  }

  /** Stops the server and deletes the folder. */
  stop(): Promise<void> {
    return this.database.stop();
  }
}
