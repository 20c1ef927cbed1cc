import { DataSource } from 'typeorm';
import { storageOptions } from '../../src/storage/data-source-options.js';
import { fillOptions } from '../fill-options.js';
import type { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import { migrate } from '../../src/storage/migrate.js';

const MESSAGES_PER_CHAT = 100;
/** Chats that one statement fills: it shows how far the fill is, and no statement takes long. */
const CHATS_AT_ONCE = 5000;

const FILL_CHATS = [
  `INSERT INTO chat (id, title) SELECT ${chatId('n')}, 'chat ' || n FROM generate_series($1::int, $2::int) n`,
  `INSERT INTO participant (chat_id, user_id)
   SELECT ${chatId('n')}, 'user-' || (n + p * 7919) % 40000 FROM generate_series($1::int, $2::int) n, generate_series(1, 5) p`,
  `INSERT INTO chat_head (chat_id) SELECT ${chatId('n')} FROM generate_series($1::int, $2::int) n`,
];

/** Messages of the lengths that warming is measured with; every second one has a client id. */
const FILL_MESSAGES = [
  `INSERT INTO message (chat_id, seq, version, sender_id, client_id, text, created_at)
   SELECT ${chatId('n')}, s, s + 1, 'user-' || (n + s % 5 * 7919) % 40000, CASE WHEN s % 2 = 0 THEN gen_random_uuid()::text END,
     left(repeat('words of a message, one after the other ', 100), (exp(4.25 + 2.2 * (random() + random() + random() - 1.5)))::int + 2),
     timestamptz '2026-01-01Z' + s * interval '37 minutes'
   FROM generate_series($1::int, $2::int) n, generate_series(1, ${MESSAGES_PER_CHAT}) s
   ORDER BY n, s`,
  `UPDATE chat_head SET last_seq = ${MESSAGES_PER_CHAT}, version = ${MESSAGES_PER_CHAT + 1}
   WHERE chat_id BETWEEN ${chatId('$1::int')} AND ${chatId('$2::int')}`,
];

const COUNT_MESSAGES = `
  SELECT sum(last_seq) AS count FROM chat_head h
  WHERE last_seq = 0 OR EXISTS (SELECT FROM message m WHERE m.chat_id = h.chat_id AND m.seq = h.last_seq)`;

/** One of two databases of a server: the same chats, with messages or with none. */
export class GrowthDatabase {
  private constructor(
    readonly url: string,
    /** Process of the server. */
    readonly pid: number,
    readonly chatIds: readonly string[],
    private readonly dataSource: DataSource,
  ) {}

  /** Makes a database with so many chats, and messages in them if it is to be `grown`. */
  static async create(
    server: EmbeddedPostgres,
    name: string,
    chats: number,
    isGrown: boolean,
  ): Promise<GrowthDatabase> {
    const { host, user, password, database } = server.connection;
    const maintenance = await new DataSource({ ...storageOptions(server.connection) }).initialize();
    await maintenance.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    await maintenance.destroy();
    if (database === name) throw new Error(`The database ${name} is the server's own.`);
    const url = `postgresql://${user}:${password}@localhost/${name}?host=${encodeURIComponent(host)}`;
    const dataSource = await new DataSource(fillOptions({ url })).initialize();
    await migrate(dataSource);
    for (let first = 1; first <= chats; first += CHATS_AT_ONCE) {
      const last = Math.min(chats, first + CHATS_AT_ONCE - 1);
      for (const sql of [...FILL_CHATS, ...(isGrown ? FILL_MESSAGES : [])]) await dataSource.query(sql, [first, last]);
      process.stderr.write(`${name}: ${last.toLocaleString('en')} of ${chats.toLocaleString('en')} chats\n`);
    }
    await dataSource.query('VACUUM ANALYZE chat, chat_head, participant');
    await dataSource.query('VACUUM ANALYZE message');
    const rows = await dataSource.query<{ id: string }[]>('SELECT id FROM chat ORDER BY id');
    return new GrowthDatabase(
      url,
      server.pid!,
      rows.map(({ id }) => id),
      dataSource,
    );
  }

  /** Runs SQL. */
  async query<Row extends object = Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.dataSource.query<Row[]>(sql, values);
  }

  /**
   * Counts the messages by the numbers that were given out, the last of which must have its message in each chat: counting ten
   * million rows takes too long.
   */
  async countMessages(): Promise<number> {
    const [row] = await this.query<{ count: string }>(COUNT_MESSAGES);
    return Number(row!.count);
  }

  /** Closes the connection. */
  close(): Promise<void> {
    return this.dataSource.destroy();
  }
}

/** SQL for the id of a chat by its number. */
function chatId(number: string): string {
  return `('00000000-0000-7000-8000-' || lpad((${number})::text, 12, '0'))::uuid`;
}
