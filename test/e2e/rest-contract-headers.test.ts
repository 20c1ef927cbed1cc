import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WireChat, WireMessage } from '../../src/cache/wire-types.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem } from './expect-answer.js';
import { untilWarm } from './until-warm.js';

const READS = ['', '/participants', '/messages', '/messages?before=3', '/messages/1', '/changes?since=0'];

describe('headers of the REST API', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  const makeChat = async (length: number): Promise<WireChat> => {
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'ben' }] });
    for (let at = 1; at <= length; at++) await api.send(id, { text: `${at}`, senderId: 'ann' });
    return bodyOf(api.get<WireChat>(`/v1/chats/${id}`), 200);
  };

  describe.each(READS)('of GET /v1/chats/{chatId}%s', (path) => {
    it('name the version, and give 304 for the entity tag until something changes', async () => {
      const chat = await makeChat(4);
      const url = `/v1/chats/${chat.id}${path}`;
      const first = await api.get(url);
      expect(first.status).toBe(200);
      expect(first.headers.get('chat-version')).toBe('5');
      const etag = first.headers.get('etag')!;
      expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
      for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, `"other" , W/${etag} , "more"`, '*']) {
        const again = await api.get(url, { 'if-none-match': tags });
        expect({ tags, status: again.status, body: again.body }).toEqual({ tags, status: 304, body: '' });
        expect(again.headers.get('etag')).toBe(etag);
        expect(again.headers.get('chat-version')).toBe('5');
      }
      for (const tags of ['"other"', etag.replaceAll('"', ''), `"x${etag.slice(1)}`, '']) {
        expect(await api.get(url, { 'if-none-match': tags })).toMatchObject({ status: 200, body: first.body });
      }
      await api.as('ben').put(`/v1/chats/${chat.id}/read`, { seq: 2 });
      const changed = await api.get(url, { 'if-none-match': etag });
      expect(changed.status).toBe(200);
      expect(changed.headers.get('chat-version')).toBe('6');
      expect(changed.headers.get('etag')).not.toBe(etag);
    });

    it('say whether the cache had the answer, and keep other caches from giving it to others', async () => {
      const { id } = await makeChat(4);
      await api.get(`/v1/chats/${id}${path}`);
      const { headers } = await api.get(`/v1/chats/${id}${path}`);
      expect(headers.get('cache-control')).toMatch(/private/);
      expect(headers.get('vary')?.toLowerCase()).toMatch(/authorization.*x-user-id/);
      // What changed since long ago is asked of the database every time.
      const expected = path.startsWith('/changes') ? 'scrollback; fwd=miss' : 'scrollback; hit';
      expect(headers.get('cache-status')).toBe(expected);
    });
  });

  it('of every write name the version after it', async () => {
    const { id } = await makeChat(1);
    const path = `/v1/chats/${id}`;
    const writes: [method: string, path: string, body?: object][] = [
      ['POST', '/messages', { text: 'x' }],
      ['PATCH', '/messages/1', { text: 'y' }],
      ['PUT', '/messages/1/reactions/ok'],
      ['DELETE', '/messages/1/reactions/ok'],
      ['DELETE', '/messages/1'],
      ['PUT', '/read', { seq: 2 }],
      ['PUT', '/participants/cat', {}],
      ['DELETE', '/participants/cat'],
      ['PATCH', '', { title: 'new' }],
      ['DELETE', ''],
    ];
    let version = 2;
    for (const [method, rest, body] of writes) {
      const { status, headers } = await api.as('ann').request(method, path + rest, body);
      expect({ method, rest, isDone: status < 300, version: headers.get('chat-version') }).toEqual({
        ...{ method, rest, isDone: true, version: String(++version) },
      });
      expect(headers.get('etag')).toMatch(/^"[^"]+"$/);
    }
  });

  it('tell a miss from a hit: history beyond the loaded tail is a miss once', async () => {
    const chat = await makeChat(200);
    const other = await startTestInstance({ CACHE_TAIL_MESSAGES: '10' }, running.database);
    try {
      await untilWarm(other.api);
      const status = async (path: string): Promise<string | null> =>
        (await other.api.get(`/v1/chats/${chat.id}${path}`)).headers.get('cache-status');
      expect(await status('')).toBe('scrollback; hit');
      expect(await status('/messages?limit=2')).toBe('scrollback; hit');
      expect(await status('/messages?before=60&limit=5')).toBe('scrollback; fwd=miss');
      expect(await status('/messages?before=60&limit=5')).toBe('scrollback; hit');
      expect(await status('/messages/70')).toBe('scrollback; fwd=miss');
      expect(await status('/messages/70')).toBe('scrollback; hit');
    } finally {
      await other.close();
    }
  });

  it('call everything a bypass when the cache is off, with the same bodies', async () => {
    const chat = await makeChat(3);
    const off = await startTestInstance({ CACHE_MODE: 'off' }, running.database);
    try {
      for (const path of READS) {
        const answer = await off.api.get(`/v1/chats/${chat.id}${path}`);
        expect(answer).toMatchObject({ status: 200, body: (await api.get(`/v1/chats/${chat.id}${path}`)).body });
        expect({ path, status: answer.headers.get('cache-status') }).toEqual({
          path,
          status: 'scrollback; fwd=bypass',
        });
      }
      for (const answer of [
        await off.api.get('/v1/users/ann/chats'),
        await off.api.post('/v1/messages/latest', { chatIds: [chat.id] }),
      ]) {
        expect(answer.status).toBe(200);
        expect(answer.headers.get('cache-status')).toBe('scrollback; fwd=bypass');
      }
      await off.api.as('ann').send(chat.id, { text: 'written without a cache' });
      expect((await off.api.page(chat.id)).items.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    } finally {
      await off.close();
    }
  });

  it('of inboxes and latest messages say whether they were a hit', async () => {
    const { id } = await api.createChat({ participants: [{ userId: 'reader' }] });
    await api.send(id, { text: 'x', senderId: 'ann' });
    const inbox = (): ReturnType<typeof api.get> => api.get('/v1/users/reader/chats');
    const latest = (): ReturnType<typeof api.get> => api.post('/v1/messages/latest', { chatIds: [id], limit: 2 });
    for (const read of [inbox, latest]) {
      await read();
      expect((await read()).headers.get('cache-status')).toBe('scrollback; hit');
      await api.delete(`/v1/admin/cache/chats/${id}`);
      expect((await read()).headers.get('cache-status')).toBe('scrollback; fwd=miss');
    }
    const unknown = { chatIds: ['01980000-0000-7000-8000-00000000dead'], limit: 2 };
    const found = (await api.post('/v1/messages/latest', unknown)).headers.get('cache-status');
    expect([found, (await api.post('/v1/messages/latest', unknown)).headers.get('cache-status')]).toEqual([
      'scrollback; fwd=miss',
      'scrollback; hit',
    ]);
  });

  describe('Min-Chat-Version', () => {
    const withVersion = (version: number | string): Record<string, string> => ({ 'min-chat-version': String(version) });

    it.each(READS)('is satisfied by a version that is reached: %s', async (path) => {
      const { id, version } = await makeChat(4);
      for (const least of [0, 1, version]) {
        const answer = await api.get(`/v1/chats/${id}${path}`, withVersion(least));
        expect(answer.status).toBe(200);
        expect(Number(answer.headers.get('chat-version'))).toBeGreaterThanOrEqual(least);
      }
    });

    it.each(READS)('is 503 with Retry-After for a version that nobody has written: %s', async (path) => {
      const { id, version } = await makeChat(4);
      for (const least of [version + 1, Number.MAX_SAFE_INTEGER]) {
        const answer = await api.get(`/v1/chats/${id}${path}`, withVersion(least));
        expectProblem(answer, 503, 'version_not_reached');
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      }
      expect((await api.get(`/v1/chats/${id}${path}`)).status).toBe(200);
    });

    it.each(READS)('shows what another instance has written: %s', async (path) => {
      const { id } = await makeChat(4);
      const other = await startTestInstance({ COHERENCE_POLL_MS: '60000' }, running.database);
      try {
        expect((await other.api.get(`/v1/chats/${id}${path}`)).headers.get('chat-version')).toBe('5');
        const sent = await api.as('ann').post<WireMessage>(`/v1/chats/${id}/messages`, { text: 'news' });
        const version = sent.headers.get('chat-version')!;
        const answer = await other.api.get(`/v1/chats/${id}${path}`, withVersion(version));
        expect(answer.status).toBe(200);
        expect(answer.headers.get('chat-version')).toBe(version);
        expect(answer.body).toEqual((await api.get(`/v1/chats/${id}${path}`)).body);
      } finally {
        await other.close();
      }
    });

    it('must be a whole number', async () => {
      const { id } = await makeChat(1);
      for (const value of ['', 'x', '-1', '1.5', '1e3', '9007199254740992', '0x10', '1, 2']) {
        const answer = await api.get(`/v1/chats/${id}`, withVersion(value));
        expectProblem(answer, 400, 'invalid_input', ['Min-Chat-Version']);
      }
    });
  });
});
