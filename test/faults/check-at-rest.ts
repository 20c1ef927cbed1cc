import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { checkChanges, checkUnread, compareAnswers, takeAnswers, type Answers } from './answers-check.js';
import { checkDatabase, type RunSql } from './database-check.js';
import type { Findings } from './findings.js';
import type { HttpLine } from './http-line.js';
import type { Ledger } from './ledger.js';

/** For writes that are still under way. */
const QUIET_LIMIT_MS = 60_000;

/**
 * Checks an instance and its database when all clients are at rest: the database against what clients were told, and what
 * the cache answers against what the database answers through the same routes, with the cache turned off.
 *
 * @returns what the database answers.
 * @throws Error when the instance does not come to rest, or does not answer.
 */
export async function checkAtRest(
  line: HttpLine,
  runSql: RunSql,
  ledger: Ledger,
  findings: Findings,
): Promise<Answers> {
  await awaitQuiet(line);
  await checkDatabase(runSql, ledger, findings);
  const cached = await takeAllAnswers(line, ledger, 'hit', findings);
  await setMode(line, 'off');
  const database = await takeAllAnswers(line, ledger, 'fwd=bypass', findings);
  await setMode(line, 'on');
  compareAnswers('cache equals database', cached, database, findings);
  await checkUnread(runSql, cached, findings);
  for (const { chatId } of ledger.chats) checkChanges(chatId, cached, findings);
  return database;
}

/** Asks about all chats and users, and counts the answers that say that they come from where they should. */
export async function takeAllAnswers(
  line: HttpLine,
  ledger: Ledger,
  source: 'hit' | 'fwd=bypass',
  findings: Findings,
): Promise<Answers> {
  const chatIds = ledger.chats.map(({ chatId }) => chatId);
  const answers = await takeAnswers(line, chatIds, ledger.userIds);
  const told = [...answers.values()].filter(({ headers }) => headers['cache-status']?.includes(source) === true);
  findings.count(`answers by ${source}`, told.length);
  return answers;
}

/** What clients have given up may still be at work in the instance. */
async function awaitQuiet(line: HttpLine): Promise<void> {
  const isQuiet = async (): Promise<boolean> => {
    const answer = await line.ask({ method: 'GET', path: '/metrics' });
    return /^scrollback_write_queue_length 0$/m.test(answer?.text ?? '');
  };
  if (!(await waitUntil(isQuiet, QUIET_LIMIT_MS)))
    throw new Error('the instance does not come to an end with its writes');
}

async function setMode(line: HttpLine, mode: 'on' | 'off'): Promise<void> {
  const answer = await line.ask({ method: 'PUT', path: '/v1/admin/cache/mode', body: { mode } });
  if (answer?.status !== 200) throw new Error(`the cache cannot be turned ${mode}: ${answer?.text}`);
}
