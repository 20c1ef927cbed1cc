import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { storageOptions } from '../src/storage/data-source-options.js';
import { Database } from '../src/storage/database.js';
import type { EmbeddedConnection } from '../src/storage/embedded/database-connection.js';
import { EmbeddedPostgres } from '../src/storage/embedded/embedded-postgres.js';
import { migrate } from '../src/storage/migrate.js';
import { Importer } from '../src/transfer/importer.js';
import { cutConversations, type Cut } from './bench-conversations.js';
import { moveProcess, type Place } from './cores.js';
import { PEER_SCHEMA, peerDatabase } from './peers/nest-typeorm/peer-database.js';

/** The peers' rows are laid down chat by chat, the best order for reading pages. */
const FILL_PEERS = [
  `INSERT INTO ${PEER_SCHEMA}.chat (id, title, "lastSeq", "createdAt", "lastMessageAt")
    SELECT id, title, last_seq, created_at, updated_at FROM chat JOIN chat_head ON chat_id = id`,
  `INSERT INTO ${PEER_SCHEMA}.message ("chatId", seq, "senderId", "clientId", text, "createdAt")
    SELECT chat_id, seq, sender_id, client_id, text, created_at FROM message ORDER BY chat_id, seq`,
];

/**
 * Every side has a pool of its own, and everything fits into the server's memory. No checkpoint comes by itself within a
 * slice of writes: each slice begins with one.
 */
const SETTINGS = { max_connections: '200', shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '1h' };

/** Without these an acknowledged write may be lost, and no figure of writes means anything. */
const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

/** A PostgreSQL with the same conversations in Scrollback's tables and in those of the peers. */
export class BenchDatabase {
  private constructor(
    /** A folder that goes with the database. */
    readonly folder: string,
    readonly url: string,
    readonly chatIds: readonly string[],
    private readonly server: EmbeddedPostgres,
    private readonly dataSource: DataSource,
  ) {}

  /**
   * Starts the server, on the cores of those that are not measured unless told otherwise, and fills it.
   *
   * @throws Error when the server is not as durable as PostgreSQL is by default.
   */
  static async start(source: string | undefined, cut: Cut, place: Place = 'others'): Promise<BenchDatabase> {
    const folder = await mkdtemp(join(tmpdir(), 'scrollback-bench-'));
    await chmod(folder, 0o755);
    let server: EmbeddedPostgres | undefined;
    try {
      const conversations = join(folder, 'conversations');
      const chatIds = await cutConversations(source, conversations, cut);
      server = await EmbeddedPostgres.start({ dataDir: join(folder, 'database'), settings: SETTINGS });
      moveProcess(place, server.pid);
      const { host, user, password, database } = server.connection;
      const url = `postgresql://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
      return new BenchDatabase(folder, url, chatIds, server, await fill(url, conversations));
    } catch (error) {
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Reads the latest texts of a chat, oldest first, from Scrollback's table. */
  async latestTexts(chatId: string, count: number): Promise<string[]> {
    const rows = await this.dataSource.query<{ text: string }[]>(
      'SELECT text FROM message WHERE chat_id = $1 ORDER BY seq DESC LIMIT $2',
      [chatId, count],
    );
    return rows.map(({ text }) => text).reverse();
  }

  /** Where the server listens. */
  get connection(): EmbeddedConnection {
    return this.server.connection;
  }

  /** Process of the server, the parent of those that serve connections. */
  get pid(): number {
    return this.server.pid!;
  }

  /** Has the server's processes, but for those that serve present connections, run on the cores of a place. */
  moveTo(place: Place): void {
    moveProcess(place, this.pid);
  }

  /** Runs SQL. */
  async query<Row extends object = Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.dataSource.query<Row[]>(sql, values);
  }

  /** Counts the messages in a table of messages; Scrollback's, unless another is named. */
  async countMessages(table = 'public.message'): Promise<number> {
    const [row] = await this.query<{ count: string }>(`SELECT count(*) AS count FROM ${table}`);
    return Number(row!.count);
  }

  /** Stops the server and deletes the folder. */
  async stop(): Promise<void> {
    await this.dataSource.destroy();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** @returns a connection, open. */
async function fill(url: string, conversations: string): Promise<DataSource> {
  const dataSource = await new DataSource(storageOptions({ url })).initialize();
  await migrate(dataSource);
  await new Importer(new Database(dataSource)).run(conversations);
  await dataSource.query(`CREATE SCHEMA ${PEER_SCHEMA}`);
  const peers = await new DataSource({ ...peerDatabase(url), synchronize: true }).initialize();
  await peers.destroy();
  for (const statement of FILL_PEERS) await dataSource.query(statement);
  for (const [name, value] of Object.entries(DURABLE)) {
    const [row] = await dataSource.query<{ value: string }[]>('SELECT current_setting($1) AS value', [name]);
    if (row?.value !== value) throw new Error(`The server runs with ${name} = ${row?.value}.`);
  }
  await dataSource.query('VACUUM ANALYZE');
  await dataSource.query('CHECKPOINT');
  return dataSource;
}
