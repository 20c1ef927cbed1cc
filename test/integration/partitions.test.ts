import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { Statement } from '../../src/storage/database.js';
import { COUNT_UNREAD, COUNT_UNREAD_AFTER, COUNT_UNREAD_OF } from '../../src/storage/statements/count-unread.js';
import { FIND_MEMBERS } from '../../src/storage/statements/find-members.js';
import { FIND_NEIGHBOURS } from '../../src/storage/statements/find-neighbours.js';
import { LOAD_CHANGES } from '../../src/storage/statements/load-changes.js';
import { LOAD_CHATS } from '../../src/storage/statements/load-chats.js';
import { LOAD_INBOX } from '../../src/storage/statements/load-inbox.js';
import { LOAD_EDITS } from '../../src/storage/statements/load-edits.js';
import { LOAD_MESSAGES } from '../../src/storage/statements/load-messages.js';
import { LOAD_TAIL_CHATS } from '../../src/storage/statements/load-tails.js';
import { LOCK_FREE_HEADS, LOCK_HEADS } from '../../src/storage/statements/lock-heads.js';
import { LOCK_FREE_CHATS, LOCK_FREE_MESSAGES, LOCK_FREE_PARTICIPANTS } from '../../src/storage/statements/lock-rows.js';
import {
  COMPARE_CONTENTS,
  COUNT_PARTICIPANTS,
  LOOK_UP_CHATS,
  LOOK_UP_CLIENT_IDS,
  LOOK_UP_MESSAGES,
  LOOK_UP_PARTICIPANTS,
  LOOK_UP_REACTIONS,
} from '../../src/storage/statements/look-up.js';
import { FIND_MEMBERSHIPS, FIND_VERSIONS, POLL_HEADS } from '../../src/storage/statements/poll-heads.js';
import {
  CREATE_CHAT,
  DELETE_MESSAGES,
  EDIT_MESSAGES,
  INSERT_MESSAGES,
  LOOK_UP_CREATION,
  MOVE_HEADS,
  MOVE_MARKERS,
  REMOVE_CHATS,
  UPDATE_CHATS,
  WRITE_PARTICIPANTS,
  WRITE_REACTIONS,
} from '../../src/storage/statements/write-rows.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestInstance } from '../support/test-instance.js';

/** The statements that partition the tables, as they stand in the documentation. */
const PARTITION = /^```sql\n(.*?)^```/ms.exec(readFileSync('docs/scaling.md', 'utf8'))![1]!;

const TABLES = ['chat', 'chat_head', 'participant', 'message', 'message_edit', 'reaction'];

/** Enough that reading a whole table never pays. */
const FILL = `
  SET scrollback.writer = 'application';
  INSERT INTO chat (id, created_by) SELECT md5(i::text)::uuid, 'user-1' FROM generate_series(1, 4000) i;
  INSERT INTO chat_head (chat_id, last_seq, version) SELECT id, 20, 20 FROM chat;
  INSERT INTO participant (chat_id, user_id, version) SELECT id, 'user-' || u, 1 FROM chat, generate_series(1, 5) u;
  INSERT INTO message (chat_id, seq, version, sender_id, client_id, text, changed)
    SELECT id, s, s, 'user-' || s % 5 + 1, 'c-' || s, 'text ' || s, s % 10 = 0 FROM chat, generate_series(1, 20) s;
  INSERT INTO reaction (chat_id, seq, user_id, emoji) SELECT id, s, 'user-1', '!' FROM chat, generate_series(1, 20, 5) s;
  INSERT INTO message_edit (chat_id, seq, version, text) SELECT id, s, s, 'old' FROM chat, generate_series(1, 20, 10) s;
  RESET scrollback.writer;`;

const CHAT = md5Uuid();
/** No chat has this id yet. */
const NEW_CHAT = '01980000-0000-7000-8000-000000000001';

/** The id of the first chat that {@link FILL} makes: md5 of `1`. */
function md5Uuid(): string {
  return 'c4ca4238-a0b9-2382-0dcc-509a6f75849b';
}

/** Statements that name chats, run with one chat, and the tables that each has to look into. */
const ONE_CHAT: readonly (readonly [Statement, values: readonly (string | null)[], tables: readonly string[]])[] = [
  [LOAD_CHATS, [`{${CHAT}}`, '10', '64'], ['chat', 'chat_head', 'message', 'participant', 'reaction']],
  [LOAD_INBOX, [`{${CHAT}}`, '0', '1', 'user-2'], ['chat', 'chat_head', 'message', 'participant', 'reaction']],
  [LOAD_TAIL_CHATS, [`{${CHAT}}`, '10', '64'], ['chat', 'chat_head', 'message', 'participant', 'reaction']],
  [LOAD_MESSAGES, [CHAT, '1', '10'], ['chat_head', 'message', 'reaction']],
  [LOAD_CHANGES, [CHAT, '5', '50', '5', '1', null], ['chat', 'chat_head', 'message', 'participant', 'reaction']],
  [LOAD_EDITS, [CHAT, '1'], ['chat', 'chat_head', 'message', 'message_edit']],
  [FIND_NEIGHBOURS, [CHAT, '3', '4'], ['message']],
  [COUNT_UNREAD, ['user-2', `{${CHAT}}`], ['chat_head', 'message', 'participant']],
  [COUNT_UNREAD_AFTER, [`{${CHAT}}`, '{user-2}', '{3}'], ['message']],
  [COUNT_UNREAD_OF, [`{${CHAT}}`, '{user-2}'], ['chat_head', 'message', 'participant']],
  [FIND_VERSIONS, [`{${CHAT}}`], ['chat_head']],
  [FIND_MEMBERS, [`{${CHAT}}`, '{user-2}'], ['participant']],
  [FIND_MEMBERSHIPS, [`{${CHAT}}`, '{user-2}'], ['participant']],
  [LOCK_HEADS, [`{${CHAT}}`], ['chat_head']],
  [LOCK_FREE_HEADS, [`{${CHAT}}`], ['chat_head']],
  [LOCK_FREE_MESSAGES, [`{${CHAT}}`, '{3}'], ['message']],
  [LOCK_FREE_PARTICIPANTS, [`{${CHAT}}`, '{user-2}'], ['participant']],
  [LOCK_FREE_CHATS, [`{${CHAT}}`], ['chat']],
  [LOOK_UP_CHATS, [`{${CHAT}}`], ['chat']],
  [LOOK_UP_MESSAGES, [`{${CHAT}}`, '{6}'], ['message', 'reaction']],
  [LOOK_UP_CLIENT_IDS, [`{${CHAT}}`, '{user-2}', '{c-6}'], ['message', 'reaction']],
  [COMPARE_CONTENTS, [`{${CHAT}}`, '{6}', '{user}', '{text}', '{NULL}', '{NULL}'], ['message']],
  [LOOK_UP_PARTICIPANTS, [`{${CHAT}}`, '{user-2}'], ['participant']],
  [COUNT_PARTICIPANTS, [`{${CHAT}}`], ['participant']],
  [LOOK_UP_REACTIONS, [`{${CHAT}}`, '{6}', '{user-1}', '{!}'], ['reaction']],
  [LOOK_UP_CREATION, [CHAT, '\\x00'], ['chat', 'chat_head']],
  [
    INSERT_MESSAGES,
    [`{${CHAT}}`, '{21}', '{21}', '{user-1}', '{new}', '{user}', '{text}', '{NULL}', '{NULL}', '{0}'],
    ['message'],
  ],
  [EDIT_MESSAGES, [`{${CHAT}}`, '{6}', '{21}', '{text}', '{f}', '{NULL}', '{0}'], ['message', 'message_edit']],
  [DELETE_MESSAGES, [`{${CHAT}}`, '{6}', '{21}', '{0}'], ['message', 'message_edit', 'reaction']],
  [WRITE_REACTIONS, [`{${CHAT}}`, '{6}', '{user-1}', '{!}', '{f}', '{21}'], ['message', 'reaction']],
  [WRITE_PARTICIPANTS, [`{${CHAT}}`, '{user-9}', '{member}', '{0}', '{NULL}', '{0}', '{21}'], ['participant']],
  [MOVE_MARKERS, [`{${CHAT}}`, '{user-2}', '{9}', '{21}'], ['participant']],
  [UPDATE_CHATS, [`{${CHAT}}`, '{t}', '{title}', '{NULL}', '{0}'], ['chat']],
  [REMOVE_CHATS, [`{${CHAT}}`], ['chat']],
  [MOVE_HEADS, [`{${CHAT}}`, '{21}', '{21}'], ['chat_head']],
  [
    CREATE_CHAT,
    [NEW_CHAT, 'group', 'title', '{}', 'user-1', '\\x00', '{user-1}', '{owner}'],
    ['chat', 'chat_head', 'participant'],
  ],
];

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly PlanNode[];
}

/** The tables of a plan that were looked into when it was run, each once. */
function touched(node: PlanNode): Set<string> {
  const names = new Set<string>();
  const visit = (each: PlanNode): void => {
    const name = each['Relation Name'];
    if (name !== undefined && each['Actual Loops'] > 0 && each['Node Type'] !== 'ModifyTable') names.add(name);
    for (const child of each.Plans ?? []) visit(child);
  };
  visit(node);
  return names;
}

describe('the tables in hash partitions by chat', () => {
  let database: TestDatabase;
  let client: Client;
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.query(FILL);
    await database.query(PARTITION);
    client = new Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await database.drop();
  });

  /** Partitions that a row of a chat was found in or written to, by table, before the statement is undone. */
  const homesOf = async (chatId: string): Promise<Record<string, string[]>> => {
    const homes: Record<string, string[]> = {};
    for (const table of TABLES) {
      const { rows } = await client.query<{ name: string }>(
        `SELECT DISTINCT tableoid::regclass::text AS name FROM ${table} WHERE ${table === 'chat' ? 'id' : 'chat_id'} = $1`,
        [chatId],
      );
      homes[table] = rows.map(({ name }) => name);
    }
    return homes;
  };

  /** Runs a prepared statement and undoes it. @returns the partitions that were looked into. */
  const partitionsOf = async (
    statement: Statement,
    values: readonly (string | null)[],
    beforeUndo: () => Promise<void> = async () => undefined,
  ): Promise<string[]> => {
    const literals = values.map((value) => (value === null ? 'NULL' : client.escapeLiteral(value))).join(', ');
    await client.query(`PREPARE tried AS ${statement.text}`);
    try {
      await client.query(`BEGIN; SET LOCAL scrollback.writer = 'application'`);
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE tried (${literals})`,
      );
      await beforeUndo();
      return [...touched(rows[0]!['QUERY PLAN'][0].Plan)];
    } finally {
      await client.query('ROLLBACK');
      await client.query('DEALLOCATE tried');
    }
  };

  it('keep every row, column, constraint, index and trigger', async () => {
    const [counts] = await database.query(
      `SELECT (SELECT count(*)::int FROM chat) AS chats, (SELECT count(*)::int FROM message) AS messages,
        (SELECT count(*)::int FROM pg_partition_tree('message') WHERE isleaf) AS partitions`,
    );
    expect(counts).toEqual({ chats: 4000, messages: 80_000, partitions: 16 });
    const plain = await createTestDatabase();
    const list = `
      SELECT indrelid::regclass::text AS table, indexrelid::regclass::text AS name FROM pg_index
        WHERE indrelid = ANY ($1::text[]::regclass[])
      UNION ALL SELECT tgrelid::regclass::text, tgname FROM pg_trigger
        WHERE tgrelid = ANY ($1::text[]::regclass[]) AND NOT tgisinternal
      UNION ALL SELECT a.attrelid::regclass::text, concat_ws(' ', a.attname, a.atttypid::regtype, a.attnotnull, a.attcollation,
          pg_get_expr(d.adbin, d.adrelid))
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = ANY ($1::text[]::regclass[]) AND a.attnum > 0
      UNION ALL SELECT conrelid::regclass::text, concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid = ANY ($1::text[]::regclass[])
      ORDER BY 1, 2`;
    try {
      const expected = await plain.query(list, [TABLES]);
      expect(expected.length).toBeGreaterThan(60);
      expect(await database.query(list, [TABLES])).toEqual(expected);
    } finally {
      await plain.drop();
    }
  });

  it('are planned for each chat anew: a plan for all chats looks into every partition', async () => {
    expect((await client.query('SHOW plan_cache_mode')).rows).toEqual([{ plan_cache_mode: 'force_custom_plan' }]);
    expect(await partitionsOf(LOCK_HEADS, [`{${CHAT}}`])).toHaveLength(1);
    await client.query('SET plan_cache_mode = force_generic_plan');
    try {
      expect(await partitionsOf(LOCK_HEADS, [`{${CHAT}}`])).toHaveLength(16);
    } finally {
      await client.query('RESET plan_cache_mode');
    }
  });

  it.each(ONE_CHAT.map(([statement, ...rest]) => [statement.name, statement, ...rest] as const))(
    '%s looks into one partition of each table',
    async (_, statement, values, tables) => {
      let homes: Record<string, string[]> = {};
      const partitions = await partitionsOf(statement, values, async () => {
        homes = await homesOf(values.includes(NEW_CHAT) ? NEW_CHAT : CHAT);
      });
      for (const table of TABLES) {
        const found = partitions.filter((name) => name.replace(/_\d+$/, '') === table);
        if (!tables.includes(table)) expect([table, found]).toEqual([table, []]);
        // What is only written to is not looked into: there the rows themselves tell where they went.
        else expect([table, homes[table]]).toEqual([table, found.length > 0 ? found : [expect.any(String)]]);
      }
    },
  );

  it('are served by an instance as any others, and edited by hand', async () => {
    const running = await startTestInstance({ COHERENCE_POLL_MS: '20' }, database);
    try {
      const chat = await running.api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
      await running.api.send(chat.id, { senderId: 'ann', text: 'one', clientId: 'c-1' });
      const again = await running.api.post(`/v1/chats/${chat.id}/messages`, {
        senderId: 'ann',
        text: 'one',
        clientId: 'c-1',
      });
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      await database.query(`INSERT INTO message (chat_id, sender_id, text) VALUES ($1, 'ben', 'by hand')`, [chat.id]);
      const texts = async (): Promise<(string | undefined)[]> =>
        (await running.api.page(chat.id)).items.map(({ text }) => text);
      await expectSoon(texts, ['one', 'by hand']);
      expect((await running.api.inbox('ann')).items[0]).toMatchObject({ unread: 1, chat: { lastSeq: 2 } });
    } finally {
      await running.close();
    }
  });

  it('have an epoch, another one when a partition is emptied', async () => {
    const epoch = async (): Promise<string | null> =>
      (await client.query<{ epoch: string | null }>(POLL_HEADS.text, [null, 1])).rows[0]!.epoch;
    const first = await epoch();
    expect(first).toMatch(/^\d+\.[0-9A-F]{8}\./);
    expect(await epoch()).toBe(first);
    await client.query('BEGIN');
    await client.query('TRUNCATE chat_head_3');
    const emptied = await epoch();
    await client.query('ROLLBACK');
    expect(emptied).not.toBe(first);
  });
});

/** Asks until the answer is as expected, and fails with what it is instead. */
async function expectSoon<T>(ask: () => Promise<T>, expected: T): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (JSON.stringify(await ask()) !== JSON.stringify(expected) && performance.now() < deadlineMs);
  expect(await ask()).toEqual(expected);
}
