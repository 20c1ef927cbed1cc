import type { BenchDatabase } from '../bench-database.js';
import type { Pgbench, PgbenchReport } from './pgbench.js';

const SCHEMA = 'one_row';
const TABLE = `${SCHEMA}.message`;

/** The same columns, constraints and indexes as Scrollback's tables have, and the same rows under ids that can be computed. */
const FILL = [
  `CREATE SCHEMA ${SCHEMA}`,
  `CREATE TABLE ${SCHEMA}.chat_head (LIKE public.chat_head INCLUDING ALL) WITH (fillfactor = 70)`,
  `CREATE TABLE ${SCHEMA}.message (LIKE public.message INCLUDING ALL)`,
  `CREATE TABLE ${SCHEMA}.number AS
    SELECT chat_id, ${chatId('row_number() OVER (ORDER BY chat_id)')} AS id FROM public.chat_head`,
  `INSERT INTO ${SCHEMA}.chat_head (chat_id, last_seq, version, reset_version)
    SELECT id, last_seq, version, reset_version FROM public.chat_head JOIN ${SCHEMA}.number USING (chat_id)`,
  `INSERT INTO ${SCHEMA}.message (chat_id, seq, version, sender_id, client_id, kind, text, metadata, created_at)
    SELECT id, seq, version, sender_id, client_id, kind, text, metadata, created_at
    FROM public.message JOIN ${SCHEMA}.number USING (chat_id) ORDER BY id, seq`,
  `DROP TABLE ${SCHEMA}.number`,
  `VACUUM ANALYZE ${SCHEMA}.chat_head, ${SCHEMA}.message`,
];

/** How one send is written by a careful person who has one transaction for each. */
const SCRIPTS = {
  /** As a program does it that looks at what the statements answer. */
  transaction: `
\\set chat random(1, :chats)
BEGIN;
UPDATE ${SCHEMA}.chat_head SET last_seq = last_seq + 1, version = version + 1, changed_xid = pg_current_xact_id()
  WHERE chat_id = ${chatId(':chat')} RETURNING chat_id, last_seq, version \\gset
INSERT INTO ${SCHEMA}.message (chat_id, seq, version, sender_id, client_id, text)
  VALUES (:chat_id, :last_seq, :version, :sender, gen_random_uuid()::text, :text)
  ON CONFLICT (chat_id, sender_id, client_id) WHERE client_id IS NOT NULL DO NOTHING;
COMMIT;
`,
  /** In one round trip. It would give a number to what was sent before. */
  statement: `
\\set chat random(1, :chats)
WITH head AS (
  UPDATE ${SCHEMA}.chat_head SET last_seq = last_seq + 1, version = version + 1, changed_xid = pg_current_xact_id()
  WHERE chat_id = ${chatId(':chat')} RETURNING chat_id, last_seq, version)
INSERT INTO ${SCHEMA}.message (chat_id, seq, version, sender_id, client_id, text)
  SELECT chat_id, last_seq, version, :sender::text, gen_random_uuid()::text, :text::text FROM head
  ON CONFLICT (chat_id, sender_id, client_id) WHERE client_id IS NOT NULL DO NOTHING;
`,
};

/** How a send is written: as a transaction of several statements, or all in one. */
export type OneRowForm = keyof typeof SCRIPTS;

/** What one slice is to be. */
export interface OneRowOrder {
  readonly form: OneRowForm;
  /** The first so many chats are written to. */
  readonly chats: number;
  readonly clients: number;
  readonly seconds: number;
  readonly text: string;
  readonly seed: number;
}

/** Messages that pgbench writes into tables of its own, one for each commit. */
export class OneRowCommits {
  private constructor(
    private readonly database: BenchDatabase,
    private readonly pgbench: Pgbench,
  ) {}

  /** Makes the tables beside Scrollback's, with the same rows. */
  static async prepare(database: BenchDatabase, pgbench: Pgbench): Promise<OneRowCommits> {
    for (const sql of FILL) await database.query(sql);
    return new OneRowCommits(database, pgbench);
  }

  /** @throws Error when not every transaction has left its message. */
  async run({ form, chats, clients, seconds, text, seed }: OneRowOrder): Promise<PgbenchReport> {
    const before = await this.database.countMessages(TABLE);
    const report = await this.pgbench.run({
      connection: this.database.connection,
      script: SCRIPTS[form],
      variables: { chats, sender: 'user-1', text },
      clients,
      seconds,
      seed,
    });
    const written = (await this.database.countMessages(TABLE)) - before;
    if (written !== report.transactions) {
      throw new Error(`pgbench has written ${written} messages in ${report.transactions} transactions.`);
    }
    return report;
  }
}

/** SQL for the id of a chat by its number: pgbench has numbers alone. */
function chatId(number: string): string {
  return `('00000000-0000-7000-8000-' || lpad((${number})::text, 12, '0'))::uuid`;
}
