import { isDeepStrictEqual } from 'node:util';
import type { Findings } from './findings.js';
import { describeSent, type Ledger, type LedgerChat, type SentMessage } from './ledger.js';

/** Runs SQL and gives the rows. */
export type RunSql = <Row extends object>(sql: string, values?: unknown[]) => Promise<Row[]>;

interface MessageRow {
  readonly chat_id: string;
  readonly seq: number;
  readonly version: number;
  readonly sender_id: string;
  readonly client_id: string | null;
  readonly text: string | null;
  readonly metadata: object | null;
  readonly reply_to: number | null;
}

interface HeadRow {
  readonly chat_id: string;
  readonly title: string;
  readonly last_seq: number;
  readonly version: number;
  readonly rows: number;
  readonly first: number;
  readonly last: number;
  readonly versions: number;
  readonly lowest_version: number;
  readonly highest_version: number;
}

const MESSAGES = `SELECT chat_id, seq::float8, version::float8, sender_id, client_id, text, metadata, reply_to::float8
  FROM message ORDER BY chat_id, seq`;

/** One statement, and so one snapshot: it may run while others write. */
const HEADS = `SELECT h.chat_id, c.title, h.last_seq::float8, h.version::float8, count(m.seq)::float8 AS rows,
    coalesce(min(m.seq), 1)::float8 AS first, coalesce(max(m.seq), 0)::float8 AS last,
    count(DISTINCT m.version)::float8 AS versions, coalesce(min(m.version), 1)::float8 AS lowest_version,
    greatest(max(m.version), (SELECT max(p.version) FROM participant p WHERE p.chat_id = h.chat_id))::float8 AS highest_version
  FROM chat_head h JOIN chat c ON c.id = h.chat_id LEFT JOIN message m ON m.chat_id = h.chat_id
  GROUP BY h.chat_id, c.title`;

const MISSING = `SELECT k.place::int FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[])
    WITH ORDINALITY AS k (chat_id, seq, sender_id, client_id, place)
  WHERE NOT EXISTS (SELECT FROM message m WHERE m.chat_id = k.chat_id AND m.seq = k.seq AND m.sender_id = k.sender_id
    AND m.client_id IS NOT DISTINCT FROM k.client_id)`;

/**
 * What can be checked while clients write, after every crash: all that has been acknowledged is where it was told to be, and
 * no line has holes.
 */
export async function checkAfterCrash(runSql: RunSql, ledger: Ledger, findings: Findings): Promise<void> {
  const acknowledged = ledger.sent.filter(({ state }) => state === 'acknowledged');
  const missing = await runSql<{ place: number }>(MISSING, [
    acknowledged.map(({ chatId }) => chatId),
    acknowledged.map(({ seq }) => seq),
    acknowledged.map(({ senderId }) => senderId),
    acknowledged.map(({ clientId }) => clientId ?? null),
  ]);
  findings.count('acknowledged after a crash', acknowledged.length);
  for (const { place } of missing) {
    findings.violate('acknowledged after a crash', `not there: ${describeSent(acknowledged[place - 1]!)}`);
  }
  checkLines(await runSql<HeadRow>(HEADS), findings);
}

/** Compares the database with what clients were told, when all of them are at rest. */
export async function checkDatabase(runSql: RunSql, ledger: Ledger, findings: Findings): Promise<void> {
  const heads = await runSql<HeadRow>(HEADS);
  checkLines(heads, findings);
  checkMessages(await runSql<MessageRow>(MESSAGES), ledger, findings);
  checkOrder(ledger, findings);
  const titles = new Map(heads.map(({ chat_id, title, version }) => [chat_id, { title, version }]));
  for (const { chatId, title, version } of ledger.chats) {
    const head = titles.get(chatId);
    const isRight = head?.title === title && head.version >= version;
    const what = (): string => `${chatId} is ${JSON.stringify(head)}, told "${title}" of version ${version}`;
    findings.expect(isRight, 'chats', what);
  }
  await checkMembers(runSql, ledger, findings);
  await checkReactions(runSql, ledger, findings);
}

/** count(*) = last_seq = max(seq); versions are given out once, and none beyond the head's. */
function checkLines(heads: readonly HeadRow[], findings: Findings): void {
  for (const head of heads) {
    const isWhole = head.rows === head.last_seq && head.last === head.last_seq && head.first === 1;
    findings.expect(isWhole, 'lines without holes', () => JSON.stringify(head));
    const isVersioned = head.versions === head.rows && head.lowest_version >= 1 && head.highest_version <= head.version;
    findings.expect(isVersioned, 'versions', () => JSON.stringify(head));
  }
}

function checkMessages(rows: readonly MessageRow[], ledger: Ledger, findings: Findings): void {
  const byName = new Map(ledger.sent.map((sent) => [nameOf(sent), sent]));
  const texts = new Map(ledger.sent.map((sent) => [sent.original.text, sent]));
  const found = new Map<SentMessage, MessageRow>();
  for (const row of rows) {
    const { chat_id: chatId, sender_id: senderId, client_id: clientId, text, seq } = row;
    const name = nameOf({ chatId, senderId, clientId: clientId ?? undefined, original: { text: text ?? '' } });
    const sent = byName.get(name);
    const where = `chat ${chatId} seq ${seq}`;
    findings.count('rows that were sent');
    if (sent === undefined) {
      const other = texts.get(text ?? '');
      if (other === undefined)
        findings.violate('rows that were sent', `nobody has sent ${where}: ${JSON.stringify(row)}`);
      else findings.violate('exactly once', `${where} doubles ${describeSent(other)}`);
    } else if (found.has(sent)) {
      findings.violate('exactly once', `${where} doubles ${describeSent(sent)}`);
    } else {
      found.set(sent, row);
    }
  }
  for (const sent of ledger.sent) {
    const row = found.get(sent);
    if (sent.state === 'acknowledged') {
      const isThere = row?.seq === sent.seq;
      findings.expect(isThere, 'acknowledged', () => `at seq ${row?.seq}: ${describeSent(sent)}`);
      findings.expect(sent.freshAnswers <= 1, 'exactly once', () => `answered as new twice: ${describeSent(sent)}`);
      if (row !== undefined) checkContent(sent, row, findings);
    } else if (sent.state === 'refused') {
      findings.expect(row === undefined, 'refused', () => `stored at seq ${row?.seq}: ${describeSent(sent)}`);
    } else {
      // There once or not at all: a second one has been found above.
      findings.count('unacknowledged at most once');
    }
  }
}

function checkContent(sent: SentMessage, row: MessageRow, findings: Findings): void {
  const { content, replyTo } = sent;
  const isRight =
    content === 'deleted'
      ? row.text === null && row.metadata === null
      : row.text === content.text &&
        row.reply_to === (replyTo ?? null) &&
        isDeepStrictEqual(row.metadata ?? undefined, content.metadata);
  const what = (): string => `${JSON.stringify(row)} must be ${JSON.stringify(content)}: ${describeSent(sent)}`;
  findings.expect(isRight && row.version >= sent.version, 'contents', what);
}

/** What a client has sent one after the other stands in that order, and first answers ascend in version as they do in seq. */
function checkOrder(ledger: Ledger, findings: Findings): void {
  const last = new Map<string, SentMessage>();
  for (const sent of ledger.sent) {
    if (sent.state !== 'acknowledged') continue;
    const key = `${sent.chatId} ${sent.client}`;
    const before = last.get(key);
    const isLater = before === undefined || before.seq < sent.seq;
    findings.expect(isLater, 'order', () => `${describeSent(sent)} was sent after ${describeSent(before!)}`);
    last.set(key, sent);
  }
  for (const { acknowledged } of ledger.chats) {
    const fresh = acknowledged.filter(({ version }) => version > 0).sort((one, other) => one.seq - other.seq);
    fresh.forEach((sent, at) => {
      const before = fresh[at - 1];
      const isLater = before === undefined || before.version < sent.version;
      findings.expect(
        isLater,
        'order',
        () => `${describeSent(sent)} is of version ${sent.version}, the one before of ${before!.version}`,
      );
    });
  }
}

async function checkMembers(runSql: RunSql, ledger: Ledger, findings: Findings): Promise<void> {
  const rows = await runSql<{ chat_id: string; user_id: string; role: string; marker: number }>(
    `SELECT chat_id, user_id, CASE WHEN left_at IS NULL THEN role ELSE 'left' END AS role, last_read_seq::float8 AS marker
     FROM participant`,
  );
  const stored = new Map(rows.map((row) => [`${row.chat_id} ${row.user_id}`, `${row.role}, read ${row.marker}`]));
  for (const { chatId, members, markers } of ledger.chats) {
    for (const [userId, role] of members) {
      compare(
        stored,
        `${chatId} ${userId}`,
        `${role}, read ${markers.get(userId) ?? 0}`,
        'members and markers',
        findings,
      );
    }
  }
  for (const [key, value] of stored) findings.violate('members and markers', `nobody has made ${key}: ${value}`);
}

async function checkReactions(runSql: RunSql, ledger: Ledger, findings: Findings): Promise<void> {
  const rows = await runSql<{ key: string }>(
    `SELECT concat_ws(' ', chat_id, seq, user_id, emoji) AS key FROM reaction`,
  );
  const stored = new Map(rows.map(({ key }) => [key, 'there']));
  for (const chat of ledger.chats) {
    const deleted = new Set(chat.acknowledged.filter(({ content }) => content === 'deleted').map(({ seq }) => seq));
    for (const [reaction, isOn] of liveReactions(chat, deleted)) {
      compare(stored, `${chat.chatId} ${reaction}`, isOn ? 'there' : undefined, 'reactions', findings);
    }
  }
  for (const key of stored.keys()) findings.violate('reactions', `nobody has made ${key}`);
}

/** Reactions go with their message. */
function liveReactions({ reactions }: LedgerChat, deleted: ReadonlySet<number>): [string, boolean][] {
  return [...reactions].map(([key, isOn]) => [key, isOn && !deleted.has(Number.parseInt(key, 10))]);
}

/** Compares what is stored under a key, and takes it away: what is left at the end is too much. */
function compare(
  stored: Map<string, string>,
  key: string,
  expected: string | undefined,
  check: string,
  findings: Findings,
): void {
  const actual = stored.get(key);
  stored.delete(key);
  findings.expect(actual === expected, check, () => `${key} is ${actual}, told ${expected}`);
}

/** What makes a message the same: its clientId, or the text where it has none. */
function nameOf(
  message: Pick<SentMessage, 'chatId' | 'senderId' | 'clientId'> & { original: { text: string } },
): string {
  const { chatId, senderId, clientId, original } = message;
  return JSON.stringify([chatId, senderId, clientId ?? null, clientId === undefined ? original.text : null]);
}
