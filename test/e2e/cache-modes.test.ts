import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CacheState } from '../../src/cache/cache-state.js';
import type { WireChat, WirePage } from '../../src/cache/wire-types.js';
import { takeSnapshot } from '../integration/cache-snapshot.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { expectProblem } from './expect-answer.js';
import { seededRuns } from './property.js';
import { HISTORY_USERS, historyStep, runStep } from './random-history.js';

interface Report {
  readonly mode: string;
  readonly bytes: number;
  readonly chats: number;
  readonly hitRate: Readonly<Record<string, number | null>>;
  readonly coherence: { readonly divergence: number };
}

describe('the mode of the cache', () => {
  let running: TestInstance;
  let api: ApiClient;
  beforeAll(async () => {
    running = await startTestInstance();
    ({ api } = running);
  });
  afterAll(() => running.close());

  const report = async (): Promise<Report> => (await api.get<Report>('/v1/admin/cache')).body;
  const setMode = async (mode: string): Promise<void> => {
    const answer = await api.put('/v1/admin/cache/mode', { mode });
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body: { mode } });
  };
  const statusOf = async (path: string): Promise<string | null> => (await api.get(path)).headers.get('cache-status');

  it('is refused when there is no such mode', async () => {
    expectProblem(await api.put('/v1/admin/cache/mode', { mode: 'fast' }), 400, 'invalid_input', ['mode']);
    expectProblem(await api.put('/v1/admin/cache/mode', {}), 400, 'invalid_input', ['mode']);
    expect((await report()).mode).toBe('on');
  });

  it('off gives the memory back and asks the database; on again begins empty and fills', async () => {
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }] });
    await api.send(id, { senderId: 'ann', text: 'kept' });
    const path = `/v1/chats/${id}/messages`;
    await api.page(id);
    expect(await statusOf(path)).toBe('scrollback; hit');
    await setMode('off');
    expect(await report()).toMatchObject({ mode: 'off', bytes: 0, chats: 0 });
    for (const read of [path, `/v1/chats/${id}`, '/v1/users/ann/chats']) {
      expect(await statusOf(read)).toBe('scrollback; fwd=bypass');
    }
    await api.send(id, { senderId: 'ann', text: 'written while off' });
    expect(await report()).toMatchObject({ bytes: 0, chats: 0 });
    await setMode('on');
    expect((await api.page(id)).items.map(({ text }) => text)).toEqual(['kept', 'written while off']);
    expect(await statusOf(path)).toBe('scrollback; hit');
    expect((await report()).bytes).toBeGreaterThan(0);
  });

  it('shadow answers from the database, keeps the cache filled, counts its hits and finds nothing wrong', async () => {
    await setMode('shadow');
    try {
      const { id } = await api.as('ann').createChat({ participants: [{ userId: 'ben' }, { userId: 'cat' }] });
      await fc.assert(
        fc.asyncProperty(fc.array(historyStep, { minLength: 10, maxLength: 40 }), async (steps) => {
          for (let at = 0; at < steps.length; at += 4) {
            await Promise.all(steps.slice(at, at + 4).map((step) => runStep(api, id, step)));
            await Promise.all(HISTORY_USERS.map((userId) => api.inbox(userId)));
            await api.page(id);
          }
        }),
        { ...seededRuns('shadow', 5), endOnFailure: true },
      );
      expect(await statusOf(`/v1/chats/${id}/messages`)).toBe('scrollback; fwd=bypass');
      const shadow = await takeSnapshot(running, [id], [...HISTORY_USERS]);
      const { hitRate, coherence } = await report();
      expect(hitRate['messages']).toBeGreaterThan(0.5);
      expect(coherence.divergence).toBe(0);
      await setMode('on');
      expect(await takeSnapshot(running, [id], [...HISTORY_USERS])).toEqual(shadow);
    } finally {
      await setMode('on');
    }
  });

  it('shadow tells the truth of, and counts, an entry that is wrong', async () => {
    const { id } = await api.createChat({ participants: [{ userId: 'ann' }] });
    await api.send(id, { senderId: 'ann', text: 'true' });
    await api.page(id);
    await api.inbox('ann');
    await setMode('shadow');
    try {
      const before = (await report()).coherence.divergence;
      // As a fault of the cache would: other bytes at the same version.
      const entry = running.instance.app.get(CacheState).store.getChat(id)!;
      const message = entry.blocks.get(0)!.slice(1, 1);
      message[message.indexOf('true')] = 'T'.charCodeAt(0);
      const page = await api.get<WirePage>(`/v1/chats/${id}/messages`);
      expect(page.body.items.map(({ text }) => text)).toEqual(['true']);
      expect((await report()).coherence.divergence).toBe(before + 1);
      entry.lastMessage = entry.lastMessage!.replace('true', 'True');
      expect((await api.inbox('ann')).items.map(({ lastMessage }) => lastMessage?.text)).toContain('true');
      expect((await report()).coherence.divergence).toBe(before + 2);
      const metrics = await (await fetch(`${running.instance.url}/metrics`)).text();
      expect(metrics).toContain(`scrollback_cache_divergence_total ${before + 2}\n`);
      await api.delete(`/v1/admin/cache/chats/${id}`);
    } finally {
      await setMode('on');
    }
  });

  it('may change at any time without a wrong answer or anything kept from the time before', async () => {
    const { id } = await api.as('ann').createChat({ participants: [{ userId: 'ben' }] });
    const { divergence } = (await report()).coherence;
    const modes = fc.array(fc.constantFrom('on', 'off', 'shadow'), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(historyStep, { minLength: 8, maxLength: 24 }), modes, async (steps, sequence) => {
        const writing = (async () => {
          for (let at = 0; at < steps.length; at += 3) {
            await Promise.all(steps.slice(at, at + 3).map((step) => runStep(api, id, step)));
          }
        })();
        let isDone = false;
        const reading = (async () => {
          for (let version = 0; !isDone;) {
            const chat = await api.get<WireChat>(`/v1/chats/${id}`);
            expect(chat.body.version).toBeGreaterThanOrEqual(version);
            ({ version } = chat.body);
            await Promise.all([api.page(id), api.inbox('ann')]);
          }
        })();
        for (const mode of sequence) await setMode(mode);
        await writing.finally(() => {
          isDone = true;
        });
        await reading;
        expect((await report()).coherence.divergence).toBe(divergence);
        await setMode('on');
        const here = await takeSnapshot(running, [id], [...HISTORY_USERS]);
        await setMode('off');
        expect(await takeSnapshot(running, [id], [...HISTORY_USERS])).toEqual(here);
      }),
      { ...seededRuns('switching modes', 6), endOnFailure: true },
    );
    await setMode('on');
  });

  it('on forgets a chat when told to', async () => {
    const { id } = await api.createChat();
    await api.get(`/v1/chats/${id}`);
    expect(await statusOf(`/v1/chats/${id}`)).toBe('scrollback; hit');
    expect((await api.delete(`/v1/admin/cache/chats/${id}`)).status).toBe(204);
    expect(await statusOf(`/v1/chats/${id}`)).toBe('scrollback; fwd=miss');
    expect((await api.delete('/v1/admin/cache/chats/01980000-0000-7000-8000-0000000000ff')).status).toBe(204);
  });
});
