import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { compareAnswers, takeAnswers, type Answers } from '../faults/answers-check.js';
import type { DurableDatabase } from '../faults/durable-database.js';
import type { Findings } from '../faults/findings.js';
import { HttpLine, jsonOf, type HttpAnswer } from '../faults/http-line.js';
import type { ChatAtEnd } from '../history/history.js';
import { readChatAtEnd } from './chats-at-end.js';
import type { Crowd } from './crowd.js';

/** For answers after the faults: the machine may be busy. */
const PATIENT_MS = 60_000;

/** One poll after the last fault every instance tells what the database tells, byte for byte, and knows of nothing wrong. */
export async function checkAtRest(
  database: DurableDatabase,
  ports: readonly number[],
  crowds: readonly Crowd[],
  findings: Findings,
): Promise<ChatAtEnd[]> {
  const lines = ports.map((port) => new HttpLine(port, PATIENT_MS));
  try {
    const endedMs = performance.now();
    await Promise.all(lines.map((line) => awaitPollSince(line, endedMs)));
    const told = await Promise.all(lines.map((line) => takeCrowdsAnswers(line, crowds)));
    await ask(lines[0]!, 'PUT', '/v1/admin/cache/mode', { mode: 'off' });
    const expected = await takeCrowdsAnswers(lines[0]!, crowds);
    await ask(lines[0]!, 'PUT', '/v1/admin/cache/mode', { mode: 'on' });
    for (const cached of told) {
      for (const [at, answers] of cached.entries()) {
        compareAnswers('every instance equals the database', answers, expected[at]!, findings);
      }
    }
    for (const line of lines) {
      const verified = jsonOf<{ checked: number; divergent: unknown[] }>(
        await ask(line, 'POST', '/v1/admin/cache/verify', {}),
      );
      findings.count('chats verified', verified.checked);
      findings.expect(verified.divergent.length === 0, 'verify', () => JSON.stringify(verified.divergent));
      const { text } = await ask(line, 'GET', '/metrics');
      const divergence = /^scrollback_cache_divergence_total (.*)$/m.exec(text)?.[1];
      findings.expect(divergence === '0', 'divergence', () => `scrollback_cache_divergence_total is ${divergence}`);
    }
    const chatsAtEnd: ChatAtEnd[] = [];
    // One crowd after the other: the database has room for a hundred connections.
    for (const [at, { chats }] of crowds.entries()) {
      chatsAtEnd.push(
        ...(await Promise.all(chats.map(({ chatId }) => readChatAtEnd(database, chatId, expected[at]!)))),
      );
    }
    return chatsAtEnd;
  } finally {
    for (const line of lines) line.close();
  }
}

/** What an instance tells of the chats and the people of each crowd. */
async function takeCrowdsAnswers(line: HttpLine, crowds: readonly Crowd[]): Promise<Answers[]> {
  const all: Answers[] = [];
  for (const { chats } of crowds) {
    const chatIds = chats.map(({ chatId }) => chatId);
    const userIds = [...new Set(chats.flatMap(({ members }) => members))];
    all.push(await takeAnswers(line, chatIds, userIds));
  }
  return all;
}

async function awaitPollSince(line: HttpLine, sinceMs: number): Promise<void> {
  const hasPolled = async (): Promise<boolean> => {
    const answer = await ask(line, 'GET', '/v1/admin/cache');
    const ageMs = jsonOf<{ coherence: { lastConfirmedMs: number | null } }>(answer).coherence.lastConfirmedMs;
    return ageMs !== null && performance.now() - ageMs > sinceMs;
  };
  if (!(await waitUntil(hasPolled, PATIENT_MS))) throw new Error('an instance does not poll any more');
}

async function ask(line: HttpLine, method: string, path: string, body?: object): Promise<HttpAnswer> {
  const answer = await line.ask({ method, path, body });
  if (answer?.status !== 200) throw new Error(`${method} ${path} was answered ${answer?.status} ${answer?.text}`);
  return answer;
}
