import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { ApiClient } from '../support/api-client.js';
import { operationsOf, registeredRoutes, type OpenApi } from '../support/openapi.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const SECRET = 'a secret of more than thirty-two bytes';
const KEY = 'the-key-of-a-service';

/** Those whose rights are tried: the columns of the table. */
const CALLERS = ['nobody', 'stranger', 'removed', 'readonly', 'member', 'admin', 'owner', 'service'] as const;

type CallerName = (typeof CALLERS)[number];

/** Who has written to the chat, in order: message n is of the nth. */
const SENDERS = ['owner', 'admin', 'member', 'readonly', 'removed', 'other'];

/** What is tried of an operation. */
interface Trial {
  /** Where there are several of one operation: which this is. */
  readonly of?: string;
  readonly operation: string;
  readonly path: (chatId: string, caller: CallerName) => string;
  readonly body?: (chatId: string) => object;
}

const chat = (rest: string) => (chatId: string) => `/v1/chats/${chatId}${rest}`;
const THUMB = '%F0%9F%91%8D';
const ownSeq = (caller: CallerName): number => (SENDERS.includes(caller) ? SENDERS.indexOf(caller) : 5) + 1;
const ownMessage = (chatId: string, caller: CallerName): string => `/v1/chats/${chatId}/messages/${ownSeq(caller)}`;
const MESSAGE = '/v1/chats/{chatId}/messages/{seq}';

const TRIALS: readonly Trial[] = [
  { operation: 'POST /v1/chats', path: () => '/v1/chats', body: () => ({ title: 'new' }) },
  { operation: 'GET /v1/chats/{chatId}', path: chat('') },
  { operation: 'PATCH /v1/chats/{chatId}', path: chat(''), body: () => ({ title: 'changed' }) },
  { operation: 'DELETE /v1/chats/{chatId}', path: chat('') },
  { operation: 'GET /v1/chats/{chatId}/participants', path: chat('/participants') },
  {
    operation: 'PUT /v1/chats/{chatId}/participants/{userId}',
    of: 'a member',
    path: chat('/participants/newcomer'),
    body: () => ({ role: 'member' }),
  },
  {
    operation: 'PUT /v1/chats/{chatId}/participants/{userId}',
    of: 'an owner',
    path: chat('/participants/newcomer'),
    body: () => ({ role: 'owner' }),
  },
  { operation: 'DELETE /v1/chats/{chatId}/participants/{userId}', of: 'another', path: chat('/participants/other') },
  {
    operation: 'DELETE /v1/chats/{chatId}/participants/{userId}',
    of: 'oneself',
    path: (chatId, caller) => `/v1/chats/${chatId}/participants/${SENDERS.includes(caller) ? caller : 'other'}`,
  },
  { operation: 'POST /v1/chats/{chatId}/messages', path: chat('/messages'), body: () => ({ text: 'hello' }) },
  {
    operation: 'POST /v1/chats/{chatId}/messages',
    of: 'in the name of another',
    path: chat('/messages'),
    body: () => ({ text: 'hello', senderId: 'other' }),
  },
  { operation: 'GET /v1/chats/{chatId}/messages', path: chat('/messages') },
  { operation: `GET ${MESSAGE}`, path: chat('/messages/6') },
  { operation: `GET ${MESSAGE}/edits`, path: chat('/messages/6/edits') },
  { operation: `PATCH ${MESSAGE}`, of: 'one’s own', path: ownMessage, body: () => ({ text: 'changed' }) },
  { operation: `PATCH ${MESSAGE}`, of: 'another’s', path: chat('/messages/6'), body: () => ({ text: 'changed' }) },
  { operation: `DELETE ${MESSAGE}`, of: 'one’s own', path: ownMessage },
  { operation: `DELETE ${MESSAGE}`, of: 'another’s', path: chat('/messages/6') },
  { operation: `PUT ${MESSAGE}/reactions/{emoji}`, path: chat(`/messages/6/reactions/${THUMB}`) },
  { operation: `DELETE ${MESSAGE}/reactions/{emoji}`, path: chat(`/messages/6/reactions/${THUMB}`) },
  { operation: 'PUT /v1/chats/{chatId}/read', path: chat('/read'), body: () => ({ seq: 3 }) },
  { operation: 'GET /v1/chats/{chatId}/changes', path: chat('/changes?since=1') },
  {
    operation: 'GET /v1/users/{userId}/chats',
    of: 'one’s own',
    path: (_chatId, caller) => `/v1/users/${caller}/chats`,
  },
  { operation: 'GET /v1/users/{userId}/chats', of: 'another’s', path: () => '/v1/users/other/chats' },
  {
    operation: 'POST /v1/messages/latest',
    path: () => '/v1/messages/latest',
    body: (chatId) => ({ chatIds: [chatId], limit: 1 }),
  },
  { operation: 'GET /v1/admin/cache', path: () => '/v1/admin/cache' },
  { operation: 'GET /v1/admin/cache/chats/{chatId}', path: (chatId) => `/v1/admin/cache/chats/${chatId}` },
  { operation: 'DELETE /v1/admin/cache/chats/{chatId}', path: (chatId) => `/v1/admin/cache/chats/${chatId}` },
  { operation: 'PUT /v1/admin/cache/mode', path: () => '/v1/admin/cache/mode', body: () => ({ mode: 'on' }) },
  { operation: 'POST /v1/admin/cache/verify', path: () => '/v1/admin/cache/verify', body: () => ({}) },
  { operation: 'GET /metrics', path: () => '/metrics' },
  ...['live', 'startup', 'ready'].map((probe) => ({
    operation: `GET /health/${probe}`,
    path: () => `/health/${probe}`,
  })),
  { operation: 'GET /', path: () => '/' },
  { operation: 'GET /problems/{code}', path: () => '/problems/forbidden' },
];

let running: TestInstance;
let service: ApiClient;
const clients = new Map<CallerName, ApiClient>();

beforeAll(async () => {
  const digest = createHash('sha256').update(KEY).digest('hex');
  running = await startTestInstance({
    AUTH_MODE: 'key,jwt',
    AUTH_KEYS: `backend:${digest}`,
    AUTH_JWT_SECRET: SECRET,
  });
  const { url } = running.api;
  service = new ApiClient(url, undefined, KEY);
  for (const caller of CALLERS) clients.set(caller, new ApiClient(url, undefined, await tokenOf(caller)));
  clients.set('nobody', new ApiClient(url));
  // A service may do everything, and acts for a user where an operation is a user's.
  clients.set('service', new ApiClient(url, 'member', KEY));
});
afterAll(() => running.close());

function tokenOf(userId: string): Promise<string> {
  const token = new SignJWT({}).setSubject(userId).setExpirationTime('1h').setProtectedHeader({ alg: 'HS256' });
  return token.sign(new TextEncoder().encode(SECRET));
}

/** A chat in which every caller is what their name says, and which everybody has been shown who may see it. */
async function createChat(): Promise<string> {
  const roles: Record<string, string> = { owner: 'owner', admin: 'admin' };
  const { id } = await service.createChat({
    title: 'tried',
    participants: SENDERS.map((userId) => ({ userId, role: roles[userId] ?? 'member' })),
  });
  for (const senderId of SENDERS) await service.send(id, { text: `of ${senderId}`, senderId });
  await service.put(`/v1/chats/${id}/participants/readonly`, { role: 'readonly' });
  await service.delete(`/v1/chats/${id}/participants/removed`);
  return id;
}

async function tryOut(trial: Trial, caller: CallerName, chatId: string) {
  const [method] = trial.operation.split(' ') as [string];
  return clients.get(caller)!.request<unknown>(method, trial.path(chatId, caller), trial.body?.(chatId));
}

/** A cell of the table: the status, and for lists whether the chat is in it. */
async function cellOf(trial: Trial, caller: CallerName): Promise<string> {
  const chatId = await createChat();
  const { status, body } = await tryOut(trial, caller, chatId);
  if (trial.operation !== 'POST /v1/messages/latest' || status !== 200) return String(status);
  return (body as { items: unknown[] }).items.length > 0 ? '200' : '200, not in it';
}

function rowOf(trial: Trial, cells: readonly string[]): string {
  const name = trial.of === undefined ? `\`${trial.operation}\`` : `\`${trial.operation}\`: ${trial.of}`;
  return `| ${[name, ...cells].join(' | ')} |`;
}

describe('who may do what', () => {
  it('is tried for every route that there is', () => {
    const tried = new Set(TRIALS.map(({ operation }) => operation));
    const routes = registeredRoutes(running.instance.app).filter((route) => !/ \/(docs|openapi)/.test(route));
    expect([...tried].toSorted()).toEqual(expect.arrayContaining(routes.toSorted()));
    expect(routes.length).toBeGreaterThan(20);
  });

  it('is tried for every operation of the description', async () => {
    const document = (await service.get<OpenApi>('/openapi.json')).body;
    const tried = new Set(TRIALS.map(({ operation }) => operation));
    for (const operation of operationsOf(document).keys()) expect(tried).toContain(operation);
  });

  it('is what the table in docs/access.md says', async () => {
    const rows: string[] = [];
    for (const trial of TRIALS) {
      const cells: string[] = [];
      for (const caller of CALLERS) cells.push(await cellOf(trial, caller));
      rows.push(rowOf(trial, cells));
    }
    const documented = readFileSync('docs/access.md', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.replaceAll(/ +/g, ' '));
    expect(documented).toEqual(rows);
  });

  it.each(['stranger', 'removed'] as const)(
    'tells a %s of a chat what it tells of one that is not there',
    async (caller) => {
      const chatId = await createChat();
      const missing = randomUUID();
      // In memory, as for those who are in it.
      for (const client of [service, clients.get('member')!]) await client.page(chatId);
      const headers = (answer: { readonly headers: Headers }): [string, string][] =>
        [...answer.headers].filter(([name]) => !['date', 'content-length', 'x-request-id'].includes(name));
      for (const trial of TRIALS) {
        if (!trial.operation.includes('/v1/chats/{chatId}')) continue;
        const [of, there] = [await tryOut(trial, caller, missing), await tryOut(trial, caller, chatId)];
        const seen = { status: there.status, headers: headers(there), body: JSON.stringify(there.body) };
        expect(seen).toEqual({
          status: of.status,
          headers: headers(of),
          body: JSON.stringify(of.body).replaceAll(missing, chatId),
        });
      }
    },
  );
});

describe('the time of an answer', () => {
  /** How long the quickest of some answers takes: others may have waited for something else. */
  const quickestMs = async (ask: () => Promise<{ status: number }>, status: number): Promise<number> => {
    let quickest = Infinity;
    for (let at = 0; at < 10; at++) {
      const startedMs = performance.now();
      expect((await ask()).status).toBe(status);
      quickest = Math.min(quickest, performance.now() - startedMs);
    }
    return quickest;
  };

  it('is put off for whatever a user may not see, there or not, so that it does not tell', async () => {
    const chatId = await createChat();
    const stranger = new ApiClient(running.api.url, undefined, await tokenOf('stranger'));
    for (const id of [chatId, randomUUID()]) {
      for (const path of ['', '/messages', '/participants', '/changes?since=0', '/messages/1']) {
        const took = await quickestMs(() => stranger.get(`/v1/chats/${id}${path}`), 404);
        expect({ path, isPutOff: took > 20 }).toEqual({ path, isPutOff: true });
      }
      const latest = await quickestMs(() => stranger.post('/v1/messages/latest', { chatIds: [id], limit: 5 }), 200);
      expect(latest).toBeGreaterThan(20);
    }
  });
});

describe('a version that is asked for', () => {
  it('tells nobody of a chat that they may not see: neither whether it is there, nor how often it has changed', async () => {
    const chatId = await createChat();
    for (const userId of ['stranger', 'removed']) {
      const user = new ApiClient(running.api.url, undefined, await tokenOf(userId));
      for (const path of ['', '/messages', '/participants', '/changes?since=0', '/messages/1', '/messages/1/edits']) {
        for (const version of ['1', '2', '100', '9007199254740991']) {
          const [there, not] = await Promise.all(
            [chatId, randomUUID()].map(async (id) => {
              const answer = await user.get<{ detail: string }>(`/v1/chats/${id}${path}`, {
                'min-chat-version': version,
              });
              return { status: answer.status, body: JSON.stringify(answer.body).replaceAll(id, 'ID') };
            }),
          );
          expect({ path, version, ...there }).toEqual({ path, version, ...not });
          expect(there!.status).toBe(404);
        }
      }
    }
  });

  it('is waited for, and told to be missing, to who may see the chat', async () => {
    const chatId = await createChat();
    const member = new ApiClient(running.api.url, undefined, await tokenOf('member'));
    const { status, body } = await member.get(`/v1/chats/${chatId}/messages`, { 'min-chat-version': '1000' });
    expect([status, (body as { code: string }).code]).toEqual([503, 'version_not_reached']);
  });
});

describe('a chat that is created again', () => {
  it('is shown to its creator for as long as they are in it, and no longer', async () => {
    const creator = new ApiClient(running.api.url, undefined, await tokenOf('creator'));
    const participants = ['creator', 'other'].map((userId) => ({ userId, role: 'owner' }));
    const creation = { id: randomUUID(), title: 'ours', participants };
    expect((await creator.post('/v1/chats', creation)).status).toBe(201);
    expect((await creator.post('/v1/chats', creation)).status).toBe(200);
    const other = new ApiClient(running.api.url, undefined, await tokenOf('other'));
    expect((await other.delete(`/v1/chats/${creation.id}/participants/creator`)).status).toBe(204);
    await other.patch(`/v1/chats/${creation.id}`, { metadata: { secret: 'since then' } });
    const again = await creator.post('/v1/chats', creation);
    expect(again.status).toBe(404);
    expect([again.headers.get('etag'), again.headers.get('chat-version')]).toEqual([null, null]);
  });
});

describe('a caller with a token', () => {
  it('acts for its own user alone', async () => {
    const token = await tokenOf('member');
    const chatId = await createChat();
    const asOther = new ApiClient(running.api.url, 'other', token);
    expect((await asOther.get(`/v1/chats/${chatId}`)).status).toBe(403);
    const asOneself = new ApiClient(running.api.url, 'member', token);
    expect((await asOneself.get(`/v1/chats/${chatId}`)).status).toBe(200);
  });

  it.each([
    ['no credential', undefined],
    ['a word', 'hunter2'],
    ['a token of somebody else’s', 'e30.e30.e30'],
    ['a long token', `${'a'.repeat(9000)}.b.c`],
  ])('is told how to come in when it has %s', async (_what, credential) => {
    const { status, headers, body } = await new ApiClient(running.api.url, undefined, credential).get(
      '/v1/admin/cache',
    );
    expect({ status, challenge: headers.get('www-authenticate') }).toEqual({
      status: 401,
      challenge: 'Bearer realm="scrollback"',
    });
    expect(body).toMatchObject({ code: 'unauthenticated' });
  });

  it('is not let in any more when the token has expired, however often it was used before', async () => {
    const chatId = await createChat();
    const exp = Math.floor(Date.now() / 1000) + 2;
    const token = await new SignJWT({})
      .setSubject('member')
      .setExpirationTime(exp)
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET));
    const client = new ApiClient(running.api.url, undefined, token);
    const page = `/v1/chats/${chatId}/messages`;
    expect((await client.get(page)).status).toBe(200);
    expect((await client.get(page)).status).toBe(200);
    let status = 200;
    // The tolerance for clocks that differ is 5 s.
    while (status === 200 && Date.now() < (exp + 20) * 1000) ({ status } = await client.get(page));
    expect(status).toBe(401);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  });
});
