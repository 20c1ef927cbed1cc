import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createClient } from 'redis';
import { openRedisNode } from '../../src/redis/redis-node.js';
import { RedisSubscriber } from '../../src/redis/redis-subscriber.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { RedisServer } from '../support/redis-server.js';

const PASSWORD = 'p@ss/w:rd';

describe('a subscriber of Redis', () => {
  let server: RedisServer;
  let publisher: ReturnType<typeof createClient>;
  const lost: string[] = [];
  const urlOf = (user: string, password: string): URL => {
    const url = new URL(server.url);
    url.username = user;
    url.password = encodeURIComponent(password);
    return url;
  };
  const open = (url = new URL(server.url)): Promise<RedisSubscriber> =>
    RedisSubscriber.open(url, (reason) => void lost.push(reason));
  const connections = async (): Promise<number> =>
    (await publisher.sendCommand<string>(['CLIENT', 'LIST']))
      .split('\n')
      .filter((line) => line.includes('name=scrollback')).length;

  beforeAll(async () => {
    server = await RedisServer.start('');
    publisher = createClient({ url: server.url });
    publisher.on('error', () => undefined);
    await publisher.connect();
    await publisher.sendCommand([
      'ACL',
      'SETUSER',
      'ann',
      'on',
      `>${PASSWORD}`,
      'resetchannels',
      '&mine',
      '+@all',
      '-client|setname',
    ]);
  });

  afterAll(async () => {
    publisher.destroy();
    await server.stop();
  });

  it('logs in, and hears its channels alone: short messages, and those that come in many pieces', async () => {
    const subscriber = await open(urlOf('ann', PASSWORD));
    const heard: string[] = [];
    await subscriber.subscribe('mine', (message) => void heard.push(message.toString()));
    const sent = ['short', '', 'ünïcode ☂', 'x'.repeat(250_000), 'last'];
    for (const message of sent) await publisher.sPublish('mine', message);
    await publisher.sPublish('other', 'not for it');
    expect(await waitUntil(() => heard.length === sent.length, 5000)).toBe(true);
    expect(heard).toEqual(sent);
    await expect(subscriber.subscribe('other', () => undefined)).rejects.toThrow(/NOPERM/);
    subscriber.close();
    expect(lost).toEqual([]);
  });

  it('says what is wrong with a log-in, and leaves nothing open', async () => {
    await expect(open(urlOf('ann', 'wrong'))).rejects.toThrow(/WRONGPASS/);
    await expect(open(urlOf('nobody', PASSWORD))).rejects.toThrow(/WRONGPASS/);
    expect(await waitUntil(async () => (await connections()) === 0, 5000)).toBe(true);
    expect(lost).toEqual([]);
  });

  it('says that nobody is there, and that somebody is who is not Redis', async () => {
    const url = new URL('redis://127.0.0.1:1');
    await expect(open(url)).rejects.toThrow(/ECONNREFUSED/);
    const other = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await once(other.listen(0, '127.0.0.1'), 'listening');
    url.port = String((other.address() as { port: number }).port);
    await expect(open(url)).rejects.toThrow('Redis answers in another way than Redis does');
    other.close();
    expect(lost).toEqual([]);
  });

  it('gives up a server that takes the connection and says nothing, as the one that publishes does', async () => {
    const silent = createServer((socket) => void socket.resume());
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(`redis://127.0.0.1:${(silent.address() as { port: number }).port}`);
    const count = (): Promise<number> =>
      new Promise((resolve) => void silent.getConnections((_error, connected) => resolve(connected)));
    await Promise.all(
      [open(url), openRedisNode(url, (reason) => void lost.push(reason))].map((opening) =>
        expect(opening).rejects.toThrow('Redis did not answer in time.'),
      ),
    );
    expect(await waitUntil(async () => (await count()) === 0, 5000)).toBe(true);
    silent.close();
    expect(lost).toEqual([]);
  });

  it('tells once that it was lost, refuses what is asked of it then, and is silent when it was closed', async () => {
    const first = await open();
    const second = await open();
    const asked = second.subscribe('mine', () => undefined);
    second.close();
    await expect(asked).rejects.toThrow('The connection to Redis was closed.');
    await publisher.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    expect(await waitUntil(() => lost.length > 0, 5000)).toBe(true);
    await expect(first.subscribe('mine', () => undefined)).rejects.toThrow('The connection to Redis has ended.');
    first.close();
    expect(lost).toEqual(['The connection to Redis has ended.']);
  });
});
