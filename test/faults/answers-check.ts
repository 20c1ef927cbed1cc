import { isDeepStrictEqual } from 'node:util';
import type {
  WireChanges,
  WireChat,
  WireInbox,
  WireMessage,
  WirePage,
  WireParticipant,
  WireParticipants,
} from '../../src/cache/wire-types.js';
import type { RunSql } from './database-check.js';
import type { Findings } from './findings.js';
import { jsonOf, type HttpAnswer, type HttpLine, type HttpQuestion } from './http-line.js';

/** Everything that an instance tells: the answers by what was asked. */
export type Answers = ReadonlyMap<string, HttpAnswer>;

/** Newest messages of a chat that are asked for in short pages and one by one as well. */
const CLOSE_LOOK = 20;

/** Requests at once. */
const LANES = 4;

/** What the API defines as unread. */
const UNREAD = `SELECT p.chat_id, p.user_id, count(m.seq)::int AS unread
  FROM participant p LEFT JOIN message m ON m.chat_id = p.chat_id AND m.seq > p.last_read_seq
    AND m.sender_id <> p.user_id AND m.kind = 'user' AND m.deleted_at IS NULL
  WHERE p.left_at IS NULL GROUP BY p.chat_id, p.user_id`;

/** Asks an instance for all that it has to tell of some chats and users, which nobody changes meanwhile. */
export async function takeAnswers(
  line: HttpLine,
  chatIds: readonly string[],
  userIds: readonly string[],
): Promise<Answers> {
  const answers = new Map<string, HttpAnswer>();
  const ask = async (question: HttpQuestion): Promise<HttpAnswer> => {
    const answer = await line.ask(question);
    if (answer === undefined) throw new Error(`${question.path} was not answered, without any fault`);
    const { method, path, userId, body } = question;
    answers.set(`${method} ${path} ${userId ?? ''} ${JSON.stringify(body) ?? ''}`.trimEnd(), answer);
    return answer;
  };
  const tasks = [
    ...chatIds.map((chatId) => () => askAboutChat(ask, chatId, userIds)),
    ...userIds.map((userId) => () => askForInbox(ask, userId)),
    async () => {
      for (let from = 0; from < chatIds.length; from += 200) {
        const body = { chatIds: chatIds.slice(from, from + 200), limit: 7 };
        await ask({ method: 'POST', path: '/v1/messages/latest', body });
      }
    },
  ];
  const lane = async (): Promise<void> => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await task();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  // Lanes end at different times: the order of the questions is that of their names.
  return new Map([...answers].sort(([one], [other]) => (one < other ? -1 : 1)));
}

type Ask = (question: HttpQuestion) => Promise<HttpAnswer>;

async function askAboutChat(ask: Ask, chatId: string, userIds: readonly string[]): Promise<void> {
  const path = `/v1/chats/${chatId}`;
  const get = (rest: string, userId?: string): Promise<HttpAnswer> => ask({ method: 'GET', path: path + rest, userId });
  const { lastSeq, version } = jsonOf<WireChat>(await get(''));
  await get('/messages');
  for (let before = lastSeq + 1; before > 1; before -= 200) await get(`/messages?limit=200&before=${before}`);
  for (let after = 0; after <= lastSeq; after += 200) await get(`/messages?limit=200&after=${after}`);
  for (let seq = Math.max(1, lastSeq - CLOSE_LOOK); seq <= lastSeq + 1; seq++) {
    await get(`/messages/${seq}`);
    if (seq % 7 === 0) await get(`/messages?limit=7&around=${seq}`);
  }
  for (const userId of userIds) await get('/messages?limit=20&around=firstUnread', userId);
  for (let after: string | null = ''; after !== null;) {
    const query: string = after === '' ? '' : `&after=${encodeURIComponent(after)}`;
    after = jsonOf<WireParticipants>(await get(`/participants?limit=5${query}`)).nextAfter;
  }
  for (let since = 0; since <= version;) {
    const changes = jsonOf<WireChanges>(await get(`/changes?since=${since}&limit=150`));
    if (!changes.more) break;
    since = changes.version;
  }
}

async function askForInbox(ask: Ask, userId: string): Promise<void> {
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `/v1/users/${encodeURIComponent(userId)}/chats?limit=50${query}`;
    cursor = jsonOf<WireInbox>(await ask({ method: 'GET', path })).nextCursor;
  }
}

/** Compares the answers of the cache with those of the database, byte for byte. */
export function compareAnswers(check: string, cached: Answers, expected: Answers, findings: Findings): void {
  const others = new Map(expected);
  for (const [question, answer] of cached) {
    const other = others.get(question);
    others.delete(question);
    const isSame =
      other?.text === answer.text &&
      other.status === answer.status &&
      other.headers.etag === answer.headers.etag &&
      other.headers['chat-version'] === answer.headers['chat-version'];
    findings.expect(isSame, check, () => `${question}\n  told:     ${show(answer)}\n  database: ${show(other)}`);
  }
  for (const question of others.keys()) findings.violate(check, `was not asked at both: ${question}`);
}

/** Compares unread counts in inboxes with the SQL that defines them. */
export async function checkUnread(runSql: RunSql, answers: Answers, findings: Findings): Promise<void> {
  const rows = await runSql<{ chat_id: string; user_id: string; unread: number }>(UNREAD);
  const defined = new Map(rows.map(({ chat_id, user_id, unread }) => [`${chat_id} of ${user_id}`, unread]));
  for (const [question, answer] of answers) {
    const user = /^GET \/v1\/users\/([^/]+)\/chats/.exec(question)?.[1];
    if (user === undefined) continue;
    for (const { chat, unread } of jsonOf<WireInbox>(answer).items) {
      const key = `${chat.id} of ${decodeURIComponent(user)}`;
      const expected = defined.get(key);
      defined.delete(key);
      findings.expect(unread === expected, 'unread counts', () => `${key}: told ${unread}, defined ${expected}`);
    }
  }
  for (const key of defined.keys()) findings.violate('unread counts', `no inbox shows ${key}`);
}

/** Puts a chat together from `/changes` since 0, and compares it with the chat that is told otherwise. */
export function checkChanges(chatId: string, answers: Answers, findings: Findings): void {
  const path = `GET /v1/chats/${chatId}`;
  const messages = new Map<number, WireMessage>();
  const people = new Map<string, WireParticipant>();
  let chat: WireChat | undefined;
  const parts = [...answers]
    .filter(([question]) => question.startsWith(`${path}/changes?`))
    .map(([, answer]) => answer);
  const changes = parts.map((answer) => jsonOf<WireChanges>(answer)).sort((one, other) => one.version - other.version);
  for (const { messages: changed, participants, left, chat: told } of changes) {
    for (const message of changed) messages.set(message.seq, message);
    for (const person of participants) people.set(person.userId, person);
    for (const userId of left) people.delete(userId);
    chat = told ?? chat;
  }
  const state = {
    chat,
    messages: [...messages.values()].sort((one, other) => one.seq - other.seq),
    people: [...people.values()].sort((one, other) => (one.userId < other.userId ? -1 : 1)),
  };
  const pages = [...answers].filter(([question]) => question.startsWith(`${path}/messages?limit=200&after=`));
  const lists = [...answers].filter(([question]) => question.startsWith(`${path}/participants?`));
  const told = {
    chat: jsonOf<WireChat>(answers.get(path)!),
    messages: pages.flatMap(([, page]) => jsonOf<WirePage>(page).items).sort((one, other) => one.seq - other.seq),
    people: lists
      .flatMap(([, list]) => jsonOf<WireParticipants>(list).items)
      .sort((one, other) => (one.userId < other.userId ? -1 : 1)),
  };
  const what = (): string => `${chatId}: ${firstDifference(state, told)}`;
  findings.expect(isDeepStrictEqual(state, told), 'changes since 0', what);
}

interface Told {
  readonly chat: WireChat | undefined;
  readonly messages: readonly WireMessage[];
  readonly people: readonly WireParticipant[];
}

function firstDifference(changed: Told, told: Told): string {
  const pairs: [unknown, unknown][] = [[changed.chat, told.chat]];
  told.messages.forEach((message, at) => pairs.push([changed.messages[at], message]));
  told.people.forEach((person, at) => pairs.push([changed.people[at], person]));
  const pair = pairs.find(([one, other]) => !isDeepStrictEqual(one, other));
  return pair === undefined
    ? 'more than there is'
    : `by changes ${JSON.stringify(pair[0])}, told ${JSON.stringify(pair[1])}`;
}

function show(answer: HttpAnswer | undefined): string {
  return answer === undefined
    ? 'nothing'
    : `${answer.status} ${answer.headers.etag ?? ''} ${answer.text.slice(0, 2000)}`;
}
