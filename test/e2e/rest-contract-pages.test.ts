import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { WireLatest, WireMessage, WirePage } from '../../src/cache/wire-types.js';
import { latestSchema, pageSchema } from '../../src/chat/wire-schemas.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, expectShape } from './expect-answer.js';
import { seededRuns } from './property.js';

const LENGTH = 500;

/** What a page of the whole line is by the contract's words. */
function modelPage(
  line: readonly WireMessage[],
  kind: string,
  seq: number,
  limit: number,
): Omit<WirePage, 'version' | 'chatId'> {
  let items: readonly WireMessage[];
  if (kind === 'before') items = line.filter((message) => message.seq < seq).slice(-limit);
  else if (kind === 'after') items = line.filter((message) => message.seq > seq).slice(0, limit);
  else items = line.slice(-limit);
  const from = items[0]?.seq ?? (kind === 'after' ? Infinity : -Infinity);
  const to = items.at(-1)?.seq ?? (kind === 'after' ? Infinity : -Infinity);
  return {
    items,
    hasOlder: line.some((message) => message.seq < from),
    hasNewer: line.some((message) => message.seq > to),
  };
}

/** Holds a page to what `around` promises: the centre in the middle, shifted only as far as the ends of the line demand. */
function expectAround(page: WirePage, line: readonly WireMessage[], seq: number, limit: number): void {
  const first = page.items[0]!.seq;
  const last = page.items.at(-1)!.seq;
  const centre = Math.min(Math.max(seq, 1), line.length);
  expect(page.items).toEqual(line.slice(first - 1, last));
  expect(page.items).toHaveLength(Math.min(limit, line.length));
  expect(first <= centre && centre <= last).toBe(true);
  expect(page).toMatchObject({ hasOlder: first > 1, hasNewer: last < line.length });
  if (first > 1 && last < line.length) expect(Math.abs(centre - first - (last - centre))).toBeLessThanOrEqual(1);
  else if (first === 1 && last < line.length) expect(centre - first).toBeLessThanOrEqual(Math.ceil(limit / 2));
  else if (first > 1) expect(last - centre).toBeLessThanOrEqual(Math.ceil(limit / 2));
}

describe('pages of a chat of 500 messages', () => {
  let running: TestInstance;
  let cold: TestInstance;
  let chatId: string;
  let line: readonly WireMessage[];
  beforeAll(async () => {
    running = await startTestInstance();
    const { api } = running;
    const participants = ['ann', 'ben', 'cat'].map((userId) => ({ userId }));
    chatId = (await api.createChat({ participants })).id;
    const path = `/v1/chats/${chatId}/messages`;
    const seqs = Array.from({ length: LENGTH }, (_unused, at) => at + 1);
    // The texts differ in length, so that no slice is right by chance.
    await Promise.all(seqs.map((at) => api.as('ben').send(chatId, { text: `${at} ${'é🦀'.repeat(at % 7)}` })));
    for (const seq of seqs.filter((each) => each % 17 === 0)) await api.delete(`${path}/${seq}`);
    for (const seq of seqs.filter((each) => each % 23 === 0 && each % 17 !== 0)) {
      await api.patch(`${path}/${seq}`, { text: `edited ${seq} ${'long '.repeat(seq % 50)}` });
    }
    for (const seq of [1, 64, 65, 128, 129, 499]) await api.as('ann').put(`${path}/${seq}/reactions/ok`);
    // One after another, without pages: what a page must be made of.
    line = await Promise.all(seqs.map((seq) => bodyOf(api.get<WireMessage>(`${path}/${seq}`), 200)));
    cold = await startTestInstance({ CACHE_TAIL_MESSAGES: '10' }, running.database);
  });
  afterAll(async () => {
    await cold.close();
    await running.close();
  });

  const query = (kind: string, seq: number, limit: number | undefined): string => {
    const place = kind === 'latest' ? [] : [`${kind}=${seq}`];
    return `?${[...place, ...(limit === undefined ? [] : [`limit=${limit}`])].join('&')}`;
  };
  const check = async (api: ApiClient, kind: string, seq: number, limit: number | undefined): Promise<void> => {
    const page = expectShape(pageSchema, await api.page(chatId, query(kind, seq, limit))) as WirePage;
    expect(page.chatId).toBe(chatId);
    if (kind === 'around') expectAround(page, line, seq, limit ?? 50);
    else expect(page).toMatchObject({ ...modelPage(line, kind, seq, limit ?? 50) });
  };

  it.each(['as written', 'read from the database'])('are what a straightforward model says, %s', async (which) => {
    const { api } = which === 'as written' ? running : cold;
    const combination = fc.record({
      kind: fc.constantFrom('latest', 'before', 'after', 'around'),
      seq: fc.oneof(
        fc.integer({ min: 1, max: LENGTH + 20 }),
        fc.constantFrom(1, 2, 64, 65, 128, 129, 499, 500, 501, 2 ** 53 - 1),
      ),
      limit: fc.option(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(1, 2, 63, 64, 65, 128, 200)), {
        nil: undefined,
      }),
    });
    await fc.assert(
      fc.asyncProperty(combination, ({ kind, seq, limit }) => check(api, kind, seq, limit)),
      seededRuns(`pages ${which}`, 250),
    );
  });

  it('begin and end where the line does', async () => {
    const { api } = cold;
    for (const limit of [1, 2, 64, 200]) {
      await check(api, 'after', 0, limit);
      for (const seq of [1, 2, LENGTH - 1, LENGTH, LENGTH + 1]) {
        for (const kind of ['before', 'after', 'around']) await check(api, kind, seq, limit);
      }
    }
  });

  it('lead through the whole line in both directions, each message once', async () => {
    const { api } = cold;
    const forward: WireMessage[] = [];
    for (let page = await api.page(chatId, '?after=0&limit=33'); ;) {
      forward.push(...page.items);
      if (!page.hasNewer) break;
      page = await api.page(chatId, `?after=${page.items.at(-1)!.seq}&limit=33`);
    }
    const backward: WireMessage[] = [];
    for (let page = await api.page(chatId, '?limit=47'); ;) {
      backward.unshift(...page.items);
      if (!page.hasOlder) break;
      page = await api.page(chatId, `?before=${page.items[0]!.seq}&limit=47`);
    }
    expect(forward).toEqual(line);
    expect(backward).toEqual(line);
  });

  it('around firstUnread have the message after the read marker in the middle, or are the latest', async () => {
    for (const [user, seq] of [
      ['ann', 130],
      ['cat', 495],
    ] as const) {
      const reader = running.api.as(user);
      await reader.put(`/v1/chats/${chatId}/read`, { seq });
      for (const limit of [1, 10, 200]) {
        expectAround(await reader.page(chatId, `?around=firstUnread&limit=${limit}`), line, seq + 1, limit);
      }
    }
    const upToDate = running.api.as('cat');
    await upToDate.put(`/v1/chats/${chatId}/read`, { seq: LENGTH });
    expect(await upToDate.page(chatId, '?around=firstUnread&limit=20')).toMatchObject(modelPage(line, 'latest', 0, 20));
    const path = `/v1/chats/${chatId}/messages?around=firstUnread`;
    expectProblem(await running.api.get(path), 400, 'invalid_input', ['X-User-Id']);
  });

  it('of a chat without messages are empty', async () => {
    const { id } = await running.api.as('ann').createChat();
    for (const place of ['', '?before=1', '?before=7', '?after=0', '?after=7', '?around=1', '?around=firstUnread']) {
      expect(await running.api.as('ann').page(id, place)).toEqual({
        chatId: id,
        items: [],
        hasOlder: false,
        hasNewer: false,
        version: 1,
      });
    }
  });

  describe('of many chats at once', () => {
    const latest = (body: object): Promise<WireLatest> =>
      bodyOf(running.api.post<WireLatest>('/v1/messages/latest', body), 200);

    it('are the same as one by one, in the order asked for, each once, unknown chats left out', async () => {
      const { api } = running;
      const small = await api.createChat({ title: 'small' });
      for (const text of ['1', '2', '3']) await api.send(small.id, { text, senderId: 'ann' });
      const empty = await api.createChat();
      const chatIds = [empty.id, randomUUID(), chatId, small.id.toUpperCase(), chatId, randomUUID()];
      const answer = expectShape(latestSchema, await latest({ chatIds, limit: 2 }));
      const expected = await Promise.all([empty.id, chatId, small.id].map((id) => api.page(id, '?limit=2')));
      expect(answer).toEqual({ items: expected });
    });

    it('are up to 200 messages of up to 200 chats, 50 when no limit is given', async () => {
      const ids = Array.from({ length: 199 }, () => randomUUID());
      const many = await latest({ chatIds: [...ids, chatId], limit: 200 });
      expect(many.items.map(({ items }) => items)).toEqual([line.slice(-200)]);
      const some = await latest({ chatIds: [chatId] });
      expect(some.items).toMatchObject([modelPage(line, 'latest', 0, 50)]);
    });
  });
});
