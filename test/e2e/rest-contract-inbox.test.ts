import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { WireChat, WireInbox, WireMessage, WireParticipants } from '../../src/cache/wire-types.js';
import { inboxSchema } from '../../src/chat/wire-schemas.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf, expectProblem, expectShape } from './expect-answer.js';
import { seededRuns } from './property.js';
import { HISTORY_USERS, historyStep, runStep } from './random-history.js';

type Item = WireInbox['items'][number];

describe('inboxes over REST', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  const readAll = async (client: ApiClient, userId: string, limit: number): Promise<Item[]> => {
    const items: Item[] = [];
    let cursor: string | null = null;
    do {
      const page: WireInbox = await client.inbox(
        userId,
        `?limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      expectShape(inboxSchema, page);
      expect(page.items.length).toBe(page.nextCursor === null ? Math.min(page.items.length, limit) : limit);
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return items;
  };
  const activityMs = ({ chat, lastMessage }: Item): number => Date.parse(lastMessage?.createdAt ?? chat.createdAt);

  it('have the documented fields and nothing else', async () => {
    const chat = await api.createChat({ title: 'one', participants: [{ userId: 'solo', role: 'admin' }] });
    expect(await api.inbox('solo')).toEqual({
      items: [{ chat, role: 'admin', lastReadSeq: 0, unread: 0, lastMessage: null }],
      nextCursor: null,
    });
    const sent = await api.send(chat.id, { text: 'hi', senderId: 'ann' });
    const now = await bodyOf(api.get<WireChat>(`/v1/chats/${chat.id}`), 200);
    expect(await api.inbox('solo')).toEqual({
      items: [{ chat: now, role: 'admin', lastReadSeq: 0, unread: 1, lastMessage: sent }],
      nextCursor: null,
    });
  });

  it('of users whom nobody knows are empty', async () => {
    expect(await api.inbox('nobody 🦀')).toEqual({ items: [], nextCursor: null });
  });

  describe('of 120 chats', () => {
    const ids: string[] = [];
    beforeAll(async () => {
      for (let at = 0; at < 120; at++) {
        const chat = await api.createChat({ title: `${at}`, participants: [{ userId: 'busy' }, { userId: 'ann' }] });
        ids.push(chat.id);
      }
      // A third has messages, in another order than the chats; several of one millisecond, so that ids must decide.
      const times = ['2031-01-01T00:00:00.000Z', '2032-01-01T00:00:00.000Z', '2030-06-01T00:00:00.000Z'];
      for (const [at, id] of ids.entries()) {
        if (at % 3 === 0) await api.send(id, { text: `${at}`, senderId: 'ann', createdAt: times[(at / 3) % 3] });
      }
    });

    it('are in the order of the latest activity, whatever the size of the parts', async () => {
      const whole = await readAll(api, 'busy', 200);
      expect(whole.map(({ chat }) => chat.id).sort()).toEqual([...ids].sort());
      const activities = whole.map(activityMs);
      expect(activities).toEqual([...activities].sort((one, other) => other - one));
      expect(whole.slice(0, 40).every(({ lastMessage }) => lastMessage !== null)).toBe(true);
      for (const limit of [1, 7, 50, 119, 120]) expect(await readAll(api, 'busy', limit)).toEqual(whole);
    });

    it('are in the same order on an instance that loads them, with and without a cache', async () => {
      const whole = await readAll(api, 'busy', 200);
      for (const mode of ['on', 'off']) {
        const other = await startTestInstance({ CACHE_MODE: mode, CACHE_WARM_DEADLINE_MS: '0' }, running.database);
        try {
          expect(await readAll(other.api, 'busy', 23)).toEqual(whole);
        } finally {
          await other.close();
        }
      }
    });

    it('show 50 when no limit is given', async () => {
      const page = await api.inbox('busy');
      expect(page.items).toEqual((await readAll(api, 'busy', 200)).slice(0, 50));
      expect(page.nextCursor).toEqual(expect.any(String));
    });

    it('show the chat of a new message first, and leave the place of a chat that is merely read or changed', async () => {
      const before = (await readAll(api, 'busy', 200)).map(({ chat }) => chat.id);
      const lowest = before.at(-1)!;
      await api.send(lowest, { text: 'new', senderId: 'ann', createdAt: '2033-01-01T00:00:00.000Z' });
      const after = [lowest, ...before.slice(0, -1)];
      expect((await readAll(api, 'busy', 200)).map(({ chat }) => chat.id)).toEqual(after);
      await api.as('busy').put(`/v1/chats/${after[60]}/read`, { seq: 0 });
      await api.patch(`/v1/chats/${after[70]}`, { title: 'renamed' });
      await api.put(`/v1/chats/${after[80]}/participants/late`);
      expect((await readAll(api, 'busy', 31)).map(({ chat }) => chat.id)).toEqual(after);
    });
  });

  it('show every chat once, whatever moves while they are paged through, from whichever instance', async () => {
    const users = ['pager', 'ann'].map((userId) => ({ userId }));
    const ids: string[] = [];
    for (let at = 0; at < 40; at++) ids.push((await api.createChat({ participants: users })).id);
    const other = await startTestInstance({ COHERENCE_POLL_MS: '20' }, running.database);
    try {
      const moves = fc.array(fc.array(fc.nat(ids.length - 1), { maxLength: 8 }), { minLength: 20, maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(moves, fc.integer({ min: 1, max: 17 }), async (steps, limit) => {
          const seen: string[] = [];
          let cursor: string | null = '';
          for (let part = 0; cursor !== null; part++) {
            const from = part % 2 === 0 ? api : other.api;
            const page: WireInbox = await from.inbox(
              'pager',
              `?limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`,
            );
            seen.push(...page.items.map(({ chat }) => chat.id));
            cursor = page.nextCursor;
            for (const at of steps[part % 20]!) await api.send(ids[at]!, { text: 'moves', senderId: 'ann' });
          }
          expect([...seen].sort()).toEqual([...ids].sort());
        }),
        { ...seededRuns('inbox paging', 12), endOnFailure: true },
      );
    } finally {
      await other.close();
    }
  });

  it('have no chat that was left, and have it again after coming back', async () => {
    const stay = await api.createChat({ participants: [{ userId: 'mover' }] });
    const leave = await api.createChat({ participants: [{ userId: 'mover' }] });
    const list = async (): Promise<string[]> => (await api.inbox('mover')).items.map(({ chat }) => chat.id).sort();
    expect(await list()).toEqual([stay.id, leave.id].sort());
    await api.delete(`/v1/chats/${leave.id}/participants/mover`);
    expect(await list()).toEqual([stay.id]);
    await api.put(`/v1/chats/${leave.id}/participants/mover`);
    expect(await list()).toEqual([stay.id, leave.id].sort());
  });

  it('count as unread what others wrote after the read marker, not system messages, not what is deleted', async () => {
    const chat = await api.createChat({ participants: [{ userId: 'eve' }, { userId: 'ann' }] });
    const path = `/v1/chats/${chat.id}`;
    const unread = async (userId: string): Promise<number | undefined> =>
      (await api.inbox(userId)).items.find((item) => item.chat.id === chat.id)?.unread;
    const send = (senderId: string, kind = 'user'): Promise<WireMessage> =>
      api.send(chat.id, { text: 'x', senderId, kind });
    expect(await unread('eve')).toBe(0);
    await send('ann');
    await send('ann');
    await send('eve');
    await send('ann', 'system');
    await send('somebody outside');
    expect([await unread('eve'), await unread('ann')]).toEqual([3, 2]);
    await api.delete(`${path}/messages/2`);
    expect([await unread('eve'), await unread('ann')]).toEqual([2, 2]);
    await api.delete(`${path}/messages/2`);
    await api.delete(`${path}/messages/3`);
    await api.delete(`${path}/messages/4`);
    expect([await unread('eve'), await unread('ann')]).toEqual([2, 1]);
    expect((await api.as('eve').put(`${path}/read`, { seq: 1 })).body).toEqual({ lastReadSeq: 1, unread: 1 });
    await api.delete(`${path}/messages/1`);
    expect(await unread('eve')).toBe(1);
    await api.patch(`${path}/messages/5`, { text: 'edited' });
    await api.as('ann').put(`${path}/messages/5/reactions/ok`);
    expect([await unread('eve'), await unread('ann')]).toEqual([1, 1]);
    const late = await bodyOf(api.put(`${path}/participants/late`), 201);
    expect(late).toMatchObject({ lastReadSeq: 0 });
    expect(await unread('late')).toBe(1);
  });

  it('count exactly while messages, deletions and read markers are written at once', async () => {
    const chat = await api.createChat({ participants: ['ann', 'ben', 'cat'].map((userId) => ({ userId })) });
    const path = `/v1/chats/${chat.id}`;
    let length = 0;
    for (let round = 1; round <= 25; round++) {
      // Everybody's count is known to the cache, so that it has to be kept right and is not counted anew.
      await Promise.all(['ann', 'ben', 'cat'].map((userId) => api.inbox(userId)));
      const sends = ['ann', 'ben', 'ann', 'cat'].map((user) => api.as(user).send(chat.id, { text: `${round}` }));
      const reads = ['ben', 'cat'].map((user) => api.as(user).put(`${path}/read`, { seq: length }));
      const more = ['cat', 'ann'].map((user) => api.as(user).send(chat.id, { text: `${round}` }));
      const deletions = length < 4 ? [] : [api.delete(`${path}/messages/${length - 1}`)];
      await Promise.all([...sends, ...reads, ...more, ...deletions]);
      length += sends.length + more.length;
      const { items } = await api.page(chat.id, '?limit=200');
      for (const userId of ['ann', 'ben', 'cat']) {
        const [item] = (await api.inbox(userId)).items.filter((each) => each.chat.id === chat.id);
        const unread = items.filter(
          ({ seq, senderId, deleted }) => seq > item!.lastReadSeq && senderId !== userId && deleted !== true,
        ).length;
        expect({ round, userId, unread: item!.unread }).toEqual({ round, userId, unread });
      }
    }
  });

  it.each([1, 5])('count exactly through a random history of %d writers at once', async (writers) => {
    const histories = fc.array(historyStep, { minLength: 10, maxLength: 40 });
    const check = async (id: string): Promise<void> => {
      const { items: messages } = await api.page(id, '?limit=200');
      const people = await bodyOf(api.get<WireParticipants>(`/v1/chats/${id}/participants`), 200);
      for (const userId of HISTORY_USERS) {
        const person = people.items.find((each) => each.userId === userId);
        const counted = messages.filter(
          ({ seq, senderId, kind, deleted }) =>
            seq > (person?.lastReadSeq ?? 0) && senderId !== userId && kind !== 'system' && deleted !== true,
        ).length;
        const item = (await api.inbox(userId, '?limit=200')).items.find((each) => each.chat.id === id);
        expect({ userId, unread: item?.unread }).toEqual({ userId, unread: person && counted });
      }
    };
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const { id } = await api.as('ann').createChat({ participants: [{ userId: 'ben' }, { userId: 'cat' }] });
        for (let at = 0; at < steps.length; at += writers) {
          await Promise.all(steps.slice(at, at + writers).map((step) => runStep(api, id, step)));
          await check(id);
        }
      }),
      { ...seededRuns(`unread by ${writers}`, 10), endOnFailure: true },
    );
  });

  it('refuse a cursor that none of them gave', async () => {
    for (const cursor of [
      'x',
      '!!!',
      'MTIzNA',
      Buffer.from('5 not-a-uuid').toString('base64url'),
      '%00',
      'a'.repeat(201),
    ]) {
      expectProblem(await api.get(`/v1/users/ann/chats?cursor=${cursor}`), 400, 'invalid_input', ['cursor']);
    }
  });
});
