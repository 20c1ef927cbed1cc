import { randomUUID } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { serveOrders } from '../load/order-process.js';

/** What users do, with how often in a hundred. */
const HABITS = { read: 45, page: 20, inbox: 10, send: 15, mark: 10 } as const;

/** Something that users do. */
export type Habit = keyof typeof HABITS;

/** Somebody with a token and chats. */
export interface User {
  readonly userId: string;
  readonly token: string;
  readonly chatIds: readonly string[];
}

/** What users are to do. */
export interface UserOrder {
  readonly port: number;
  readonly users: readonly User[];
  readonly texts: readonly string[];
  /** Mean time between two requests of a user, at random (a Poisson process). */
  readonly thinkMs: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly seed: number;
}

/** What came of it; the warm-up is in the errors alone. */
export interface UserReport {
  /** Times of each habit in ms, ascending: from when a request was to begin to the end of its answer. */
  readonly timesMs: Readonly<Record<Habit, readonly number[]>>;
  /** Requests that did not get what they should, by what they got. */
  readonly errors: Readonly<Record<string, number>>;
  readonly requests: number;
}

if (process.send !== undefined) serveOrders(runUsers);

async function runUsers(order: UserOrder): Promise<UserReport> {
  const timesMs: Record<Habit, number[]> = { read: [], page: [], inbox: [], send: [], mark: [] };
  const errors: Record<string, number> = {};
  let requests = 0;
  const startedMs = performance.now();
  const measuredFromMs = startedMs + order.warmUpMs;
  const endMs = measuredFromMs + order.measuredMs;
  const live = async (user: User, random: SeededRandom): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const pause = (): number => -Math.log(1 - random.next()) * order.thinkMs;
    // Who got their last answer late goes on from there: people wait for one thing before they do the next.
    let freeMs = startedMs;
    for (let dueMs = startedMs + pause(); dueMs < endMs; dueMs = Math.max(dueMs, freeMs) + pause()) {
      await delay(Math.max(0, dueMs - performance.now()));
      // Timers may come early: what begins before its time would count as faster than it is.
      const beginMs = Math.min(dueMs, performance.now());
      const habit = pickHabit(random);
      const { method, path, body } = requestOf(habit, user, order.texts, random);
      const outcome = await ask(agent, order.port, user.token, method, path, body);
      requests++;
      if (outcome !== 'ok') errors[`${habit}: ${outcome}`] = (errors[`${habit}: ${outcome}`] ?? 0) + 1;
      freeMs = performance.now();
      if (dueMs >= measuredFromMs) timesMs[habit].push(freeMs - beginMs);
    }
    agent.destroy();
  };
  await Promise.all(order.users.map((user, at) => live(user, new SeededRandom(order.seed + at))));
  for (const times of Object.values(timesMs)) times.sort((one, other) => one - other);
  return { timesMs, errors, requests };
}

function pickHabit(random: SeededRandom): Habit {
  let rest = random.next() * 100;
  for (const [habit, share] of Object.entries(HABITS) as [Habit, number][]) if ((rest -= share) < 0) return habit;
  return 'read';
}

function requestOf(
  habit: Habit,
  { userId, chatIds }: User,
  texts: readonly string[],
  random: SeededRandom,
): { readonly method: string; readonly path: string; readonly body?: object } {
  const chat = `/v1/chats/${random.pick(chatIds)}`;
  switch (habit) {
    case 'read':
      return { method: 'GET', path: `${chat}/messages` };
    case 'page':
      return { method: 'GET', path: `${chat}/messages?before=${2 + Math.floor(random.next() * 90)}&limit=50` };
    case 'inbox':
      return { method: 'GET', path: `/v1/users/${encodeURIComponent(userId)}/chats?limit=20` };
    case 'send':
      return { method: 'POST', path: `${chat}/messages`, body: { text: random.pick(texts), clientId: randomUUID() } };
    case 'mark':
      return { method: 'PUT', path: `${chat}/read`, body: { seq: 1 + Math.floor(random.next() * 50) } };
  }
}

function ask(agent: Agent, port: number, token: string, method: string, path: string, body?: object): Promise<string> {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = {
    authorization: `Bearer ${token}`,
    ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
  };
  return new Promise((resolve) => {
    const request = httpRequest({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      response.resume();
      const expected = method === 'POST' ? 201 : 200;
      response.on('end', () => resolve(response.statusCode === expected ? 'ok' : String(response.statusCode)));
      response.on('error', (error) => resolve(error.message));
    });
    request.on('error', (error) => resolve(error.message));
    request.end(bytes);
  });
}
