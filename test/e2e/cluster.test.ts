import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { Cluster } from '../support/cluster.js';
import type { InstanceProcess } from '../support/instance-process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** What the API promises of what others have written. */
const STALENESS_BOUND_MS = 5000;

/** For nginx to try an instance again, and for it to be found. */
const RETURN_MS = 30_000;

/** So many that it would be a wonder if an instance got none. */
const CHATS = 40;
const READS = 3;

interface Explanation {
  readonly cached: boolean;
  readonly hits?: number;
}

describe('several instances behind nginx', () => {
  let database: TestDatabase;
  let cluster: Cluster;
  const chatIds: string[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    // Nothing is warmed: what an instance holds it was asked for.
    cluster = await Cluster.start({ databaseUrl: database.url, environment: { CACHE_WARM_DEADLINE_MS: '0' } });
    for (let index = 0; index < CHATS; index++) {
      const chat = await cluster.api.createChat({ title: `Chat ${index}`, participants: [{ userId: 'ann' }] });
      await cluster.api.send(chat.id, { senderId: 'ann', text: `first of ${index}` });
      chatIds.push(chat.id);
    }
  });
  afterAll(async () => {
    await cluster?.close();
    await database.drop();
  });

  /** Pages that an instance has answered, by its own count. */
  const pagesOf = async (instance: InstanceProcess): Promise<number> => {
    const { body } = await instance.api.get<string>('/metrics');
    let sum = 0;
    for (const [, count] of body.matchAll(/^scrollback_cache_requests_total\{cache="messages",.*\} (\d+)$/gm))
      sum += Number(count);
    return sum;
  };
  /** Reads a chat several times and tells which instance has answered; fails when it was not one alone. */
  const homeOf = async (chatId: string): Promise<InstanceProcess> => {
    const running = cluster.instances.filter(({ isRunning }) => isRunning);
    const before = await Promise.all(running.map(pagesOf));
    for (let index = 0; index < READS; index++) await cluster.api.page(chatId);
    const after = await Promise.all(running.map(pagesOf));
    const counts = after.map((count, index) => count - before[index]!);
    expect([...counts].sort((one, other) => other - one)).toEqual([READS, ...Array(running.length - 1).fill(0)]);
    return running[counts.indexOf(READS)]!;
  };
  const homes = async (): Promise<InstanceProcess[]> => {
    const found: InstanceProcess[] = [];
    for (const chatId of chatIds) found.push(await homeOf(chatId));
    return found;
  };

  it('answer a chat by one instance, and the chats by all of them', async () => {
    expect(new Set(await homes()).size).toBe(3);
  });

  it('tell of a chat by the instance that holds it', async () => {
    const explanation = await cluster.api.get<Explanation>(`/v1/admin/cache/chats/${chatIds[0]}`);
    expect(explanation.body).toMatchObject({ cached: true });
  });

  it('show what was written through another one', async () => {
    const [writer, ...readers] = cluster.instances as [InstanceProcess, ...InstanceProcess[]];
    const chatId = chatIds[0]!;
    // Everybody holds the chat as it was.
    for (const { api } of cluster.instances) expect((await api.page(chatId)).items).toHaveLength(1);
    const sent = await writer.api.send(chatId, { senderId: 'ann', text: 'to all of you' });
    for (const { api } of readers) {
      const hasIt = async (): Promise<boolean> => (await api.page(chatId)).items.at(-1)!.text === 'to all of you';
      expect(await waitUntil(hasIt, STALENESS_BOUND_MS)).toBe(true);
    }
    const page = await readers[0]!.api.get<{ version: number }>(`/v1/chats/${chatId}/messages`, {
      'min-chat-version': String(sent.seq + 1),
    });
    expect(page.body.version).toBeGreaterThanOrEqual(sent.seq + 1);
  });

  it('send only the chats of a killed instance elsewhere, and back when it is there again', async () => {
    const before = await homes();
    const killed = before[0]!;
    await killed.kill();
    const meanwhile = await homes();
    for (const [index, home] of before.entries()) {
      if (home === killed) expect(meanwhile[index]).not.toBe(killed);
      else expect(meanwhile[index]).toBe(home);
    }
    // Written while it was away: it has to know when it is back.
    await cluster.api.send(chatIds[0]!, { senderId: 'ann', text: 'while you were away' });
    await killed.start();
    const isBack = async (): Promise<boolean> => {
      const pages = await pagesOf(killed);
      await cluster.api.page(chatIds[0]!);
      return (await pagesOf(killed)) > pages;
    };
    expect(await waitUntil(isBack, RETURN_MS)).toBe(true);
    expect(await homes()).toEqual(before);
    expect((await killed.api.page(chatIds[0]!)).items.at(-1)!.text).toBe('while you were away');
  });

  it('go on without one that is frozen, which shows the present when it goes on', async () => {
    const [frozen, other] = cluster.instances as [InstanceProcess, InstanceProcess];
    const chatId = chatIds[1]!;
    await frozen.api.page(chatId);
    frozen.freeze();
    await other.api.send(chatId, { senderId: 'ann', text: 'while you slept' });
    frozen.thaw();
    const hasIt = async (): Promise<boolean> =>
      (await frozen.api.page(chatId)).items.at(-1)!.text === 'while you slept';
    expect(await waitUntil(hasIt, STALENESS_BOUND_MS)).toBe(true);
  });
});
