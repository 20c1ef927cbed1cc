import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LinkedBus } from '../../src/cache/coherence/bus/linked-bus.js';
import { COHERENCE_BUS } from '../../src/cache/coherence/bus/coherence-bus.js';
import { NOTIFICATION_APPLICATION } from '../../src/storage/notification-channel.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/bus-ear.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { LoggingServer, type LoggedStatement } from './statement-log.js';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start('');
});
afterAll(() => redis?.stop());

function isPollOrBus({ application, statement }: LoggedStatement): boolean {
  return application === NOTIFICATION_APPLICATION || statement === 'poll-heads';
}

describe.each(['postgres', 'redis'])('two instances with the bus %s', (name) => {
  let server: LoggingServer;
  let one: TestInstance;
  let other: TestInstance;

  beforeAll(async () => {
    server = await LoggingServer.start();
    // Without the bus they would know of each other once a minute.
    const settings = {
      COHERENCE_POLL_MS: '60000',
      STALENESS_BOUND_MS: '600000',
      COHERENCE_BUS: name,
      ...(name === 'redis' && { REDIS_URL: redis.url }),
    };
    one = await startTestInstance(settings, server.database);
    other = await startTestInstance(settings, server.database);
  });
  afterAll(async () => {
    await one?.close();
    await other?.close();
    await server?.stop();
  });

  const busOf = (instance: TestInstance): LinkedBus => instance.instance.app.get<LinkedBus>(COHERENCE_BUS);

  /** Waits until `other` has heard everything that `one` has published. */
  async function told(): Promise<void> {
    await until('the other one has heard', () => busOf(other).heard >= busOf(one).published);
  }

  it('say so', async () => {
    const { body } = await one.api.get<{ coherence: { bus: string } }>('/v1/admin/cache');
    expect(body.coherence.bus).toBe(name);
    await until('it is healthy', () => busOf(one).isHealthy);
  });

  it('have what the other has written in their own cache, and ask nobody for it', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'ann' }, { userId: 'bob' }] });
    await other.api.page(chat.id);
    const sent = await one.api.send(chat.id, { senderId: 'ann', text: 'news' });
    await one.api.as('bob').put(`/v1/chats/${chat.id}/messages/${sent.seq}/reactions/👍`);
    await one.api.patch(`/v1/chats/${chat.id}/messages/${sent.seq}`, { text: 'better news' });
    await told();
    const here = await one.api.get<{ items: unknown[] }>(`/v1/chats/${chat.id}/messages`);
    const statements = await server.record(async () => {
      const there = await other.api.get<{ items: unknown[] }>(`/v1/chats/${chat.id}/messages`);
      expect(there.headers.get('cache-status')).toBe('scrollback; hit');
      expect(there.body).toEqual(here.body);
      expect(there.body.items).toHaveLength(1);
    });
    expect(statements.filter((each) => !isPollOrBus(each))).toEqual([]);
  });

  it('see who comes into a chat, in the chat and in the inbox of who came, and who leaves', async () => {
    const chat = await one.api.createChat({ participants: [{ userId: 'cid' }] });
    await other.api.page(chat.id);
    expect((await other.api.inbox('dan')).items).toEqual([]);
    await one.api.put(`/v1/chats/${chat.id}/participants/dan`, {});
    await told();
    expect((await other.api.inbox('dan')).items.map((item) => item.chat.id)).toEqual([chat.id]);
    const path = `/v1/chats/${chat.id}/participants`;
    const members = await other.api.get<{ items: { userId: string }[] }>(path);
    expect(members.headers.get('cache-status')).toBe('scrollback; hit');
    expect(members.body.items.map(({ userId }) => userId)).toEqual(['cid', 'dan']);
    await one.api.delete(`${path}/dan`);
    await told();
    expect((await other.api.inbox('dan')).items).toEqual([]);
    const [here, there] = [await one.api.get(path), await other.api.get(path)];
    expect(there.headers.get('cache-status')).toBe('scrollback; hit');
    expect(there.body).toEqual(here.body);
    const asDan = (instance: TestInstance) => instance.api.as('dan').get(`/v1/chats/${chat.id}/messages`);
    expect((await asDan(other)).status).toBe((await asDan(one)).status);
  });

  it('see in an inbox that they hold a chat that the other has made and they do not hold', async () => {
    expect((await other.api.inbox('eve')).items).toEqual([]);
    const chat = await one.api.createChat({ participants: [{ userId: 'eve' }] });
    await told();
    expect((await other.api.inbox('eve')).items.map((item) => item.chat.id)).toEqual([chat.id]);
  });
});
