import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sampler } from '../../src/cache/coherence/verify/sampler.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { writtenColumns } from '../support/table-columns.js';
import { checkAtRest, takeAllAnswers } from './check-at-rest.js';
import { checkAfterCrash, type RunSql } from './database-check.js';
import { Findings } from './findings.js';
import { HttpLine } from './http-line.js';
import { InsistentClient } from './insistent-client.js';
import { Ledger, type SentMessage } from './ledger.js';
import { OperationTally } from './operation-tally.js';
import { firstChats, writerIdentities } from './workload.js';
import { Writer } from './writer.js';

/** Of each client. */
const OPERATIONS = 15;
const SEED = 7;

/** Copies of the tables are put back after every plant. */
const TABLES = ['message', 'chat_head', 'participant', 'reaction', 'chat'];

const AT = 'WHERE chat_id = $1 AND seq = $2';

/** What somebody does to the database behind everybody's back, and the checks that must notice. `$1` is the chat, `$2` the seq. */
const PLANTS: readonly {
  readonly what: string;
  readonly sql: readonly string[];
  readonly checks: readonly string[];
}[] = [
  {
    what: 'an acknowledged message that is gone',
    sql: [`DELETE FROM message ${AT}`],
    checks: ['acknowledged', 'lines without holes', 'changes since 0', 'cache equals database'],
  },
  {
    what: 'the last message gone, with its seq given back',
    sql: [
      `DELETE FROM message m USING chat_head h WHERE m.chat_id = $1 AND h.chat_id = $1 AND m.seq = h.last_seq AND $2 > 0`,
      `UPDATE chat_head SET last_seq = last_seq - 1 WHERE chat_id = $1 AND $2 > 0`,
    ],
    checks: ['acknowledged'],
  },
  {
    what: 'an acknowledged message that is there twice',
    sql: [
      `INSERT INTO message (chat_id, seq, version, sender_id, text)
         SELECT chat_id, h.last_seq + 1, h.version + 1, sender_id, text FROM message JOIN chat_head h USING (chat_id) ${AT}`,
      `UPDATE chat_head SET last_seq = last_seq + 1, version = version + 1 WHERE chat_id = $1 AND $2 > 0`,
    ],
    checks: ['exactly once'],
  },
  {
    what: 'a message that nobody has sent',
    sql: [
      `INSERT INTO message (chat_id, seq, version, sender_id, text)
         SELECT chat_id, last_seq + 1, version + 1, 'ann', 'unheard of' FROM chat_head WHERE chat_id = $1 AND $2 > 0`,
      `UPDATE chat_head SET last_seq = last_seq + 1, version = version + 1 WHERE chat_id = $1 AND $2 > 0`,
    ],
    checks: ['rows that were sent'],
  },
  { what: 'an altered text', sql: [`UPDATE message SET text = text || '.' ${AT}`], checks: ['contents'] },
  { what: 'altered metadata', sql: [`UPDATE message SET metadata = '{"a": 0}' ${AT}`], checks: ['contents'] },
  {
    what: 'two messages that have changed places',
    sql: [
      `UPDATE message SET seq = -seq WHERE chat_id = $1 AND seq BETWEEN $2::bigint AND $2::bigint + 1`,
      `UPDATE message SET seq = 2 * $2::bigint + 1 + seq WHERE chat_id = $1 AND seq < 0`,
    ],
    checks: ['acknowledged'],
  },
  {
    what: 'a hole in the line',
    sql: [
      `UPDATE message SET seq = 1 + (SELECT last_seq FROM chat_head WHERE chat_id = $1) ${AT}`,
      `UPDATE chat_head SET last_seq = last_seq + 1 WHERE chat_id = $1 AND $2 > 0`,
    ],
    checks: ['lines without holes', 'acknowledged'],
  },
  {
    what: 'a version given out twice',
    sql: [`UPDATE message SET version = (SELECT version FROM message WHERE chat_id = $1 AND seq = $2 + 1) ${AT}`],
    checks: ['versions'],
  },
  {
    what: 'a version beyond the head',
    sql: [`UPDATE message SET version = 1000000 ${AT}`],
    checks: ['versions'],
  },
  {
    what: 'a read marker that went back',
    sql: [`UPDATE participant SET last_read_seq = 0 WHERE chat_id = $1 AND $2 > 0`],
    checks: ['members and markers', 'unread counts'],
  },
  {
    what: 'a member that is gone',
    sql: [`UPDATE participant SET left_at = now() WHERE chat_id = $1 AND user_id = 'ben' AND $2 > 0`],
    checks: ['members and markers', 'cache equals database'],
  },
  {
    what: 'a lost reaction',
    sql: [`DELETE FROM reaction WHERE chat_id = $1 AND $2 > 0`],
    checks: ['reactions', 'cache equals database'],
  },
  {
    what: 'a lost title',
    sql: [`UPDATE chat SET title = 'other' WHERE id = $1 AND $2 > 0`],
    checks: ['chats', 'cache equals database'],
  },
];

describe('the checks of the crash test', () => {
  const ledger = new Ledger();
  let tested: TestInstance;
  let line: HttpLine;
  let runSql: RunSql;
  let message: SentMessage;

  beforeAll(async () => {
    tested = await startTestInstance({ COHERENCE_POLL_MS: '60000' });
    // What is planted here comes with its versions: triggers would make changes of it that clients are told of.
    await tested.database.query(`SET scrollback.writer = 'application'`);
    runSql = (sql, values) => tested.database.query(sql, values);
    line = new HttpLine(Number(new URL(tested.api.url).port), 60_000);
    const findings = new Findings();
    const client = new InsistentClient(line, new OperationTally(), findings);
    for (const { chatId, members } of firstChats(SEED)) {
      const { title } = ledger.addChat(chatId, chatId, members);
      const participants = members.slice(1).map((userId) => ({ userId }));
      const body = { id: chatId, title, participants };
      await client.insist({ kind: 'chat', method: 'POST', path: '/v1/chats', userId: members[0], body });
    }
    const writers = writerIdentities().map((identity) => {
      let left = OPERATIONS;
      return new Writer(identity, SEED, client, ledger, findings).run(() => left-- > 0);
    });
    await Promise.all(writers);
    expect(findings.violations).toEqual([]);
    const isPlain = ({ content, seq }: SentMessage): boolean => content !== 'deleted' && seq > 2;
    message = ledger.chats[0]!.acknowledged.find((sent) => isPlain(sent))!;
    await inTurn(TABLES.map((table) => `CREATE TABLE kept_${table} AS TABLE ${table}`));
    // It would repair what is planted.
    await tested.instance.app.get(Sampler).onApplicationShutdown();
  });
  afterAll(async () => {
    line.close();
    await tested.close();
  });

  async function inTurn(statements: readonly string[], values?: unknown[]): Promise<void> {
    for (const sql of statements) await runSql(sql, values);
  }

  async function violated(): Promise<Set<string>> {
    const findings = new Findings();
    await checkAtRest(line, runSql, ledger, findings);
    return new Set(findings.violations.map(({ check }) => check));
  }

  async function putBack(): Promise<void> {
    for (const table of TABLES) {
      const columns = await writtenColumns(runSql, table);
      await inTurn([`TRUNCATE ${table}`, `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM kept_${table}`]);
    }
    await tested.api.put('/v1/admin/cache/mode', { mode: 'off' });
    await tested.api.put('/v1/admin/cache/mode', { mode: 'on' });
  }

  it('find nothing where nothing is wrong', async () => {
    const findings = new Findings();
    await checkAtRest(line, runSql, ledger, findings);
    await checkAfterCrash(runSql, ledger, findings);
    expect(findings.violations).toEqual([]);
    expect(findings.checked.get('acknowledged')).toBeGreaterThan(OPERATIONS);
    expect(findings.checked.get('answers by hit')).toBeGreaterThan(100);
  });

  it.each(PLANTS)('find $what', async ({ sql, checks }) => {
    await takeAllAnswers(line, ledger, 'hit', new Findings());
    try {
      await inTurn(sql, [message.chatId, message.seq]);
      expect([...(await violated())]).toEqual(expect.arrayContaining([...checks]));
    } finally {
      await putBack();
    }
  });

  it('find a message that a crash has lost while clients write', async () => {
    const findings = new Findings();
    try {
      await runSql(`DELETE FROM message ${AT}`, [message.chatId, message.seq]);
      await checkAfterCrash(runSql, ledger, findings);
      const found = findings.violations.map(({ check }) => check).sort();
      expect(found).toEqual(['acknowledged after a crash', 'lines without holes']);
    } finally {
      await putBack();
    }
  });

  it('find a cached page that is wrong, where the database is right', async () => {
    const { chatId, seq } = message;
    await runSql(`UPDATE message SET text = 'wrong' ${AT}`, [chatId, seq]);
    // Warming, which goes on behind readers, may still bring what it has read before.
    const isCached = async (): Promise<boolean> => {
      await tested.api.delete(`/v1/admin/cache/chats/${chatId}`);
      const { items } = await tested.api.page(chatId, `?around=${seq}`);
      return items.some(({ text }) => text === 'wrong');
    };
    expect(await waitUntil(isCached, 30_000)).toBe(true);
    await inTurn(['TRUNCATE message', 'INSERT INTO message TABLE kept_message']);
    expect([...(await violated())]).toEqual(expect.arrayContaining(['cache equals database']));
    await putBack();
    expect([...(await violated())]).toEqual([]);
  });
});
