import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findNginxProgram, NoNginxError } from '../support/nginx-program.js';
import { fillTemplate, NginxServer } from '../support/nginx-server.js';

const CHATS = Array.from(
  { length: 60 },
  (_, index) => `0198${index.toString(16).padStart(4, '0')}-0000-7000-8000-000000000001`,
);

/** A server that stands for an instance: tells what it was asked, and can break off instead of answering. */
interface Upstream {
  readonly server: Server;
  readonly address: string;
  readonly requests: string[];
  headers: NodeJS.Dict<string | string[]>;
  breaksOff: boolean;
}

async function startUpstream(): Promise<Upstream> {
  const server = createServer((request, response) => {
    upstream.requests.push(`${request.method} ${request.url}`);
    upstream.headers = request.headers;
    if (upstream.breaksOff) request.socket.destroy();
    else response.end(upstream.address);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream: Upstream = { server, address, requests: [], headers: {}, breaksOff: false };
  return upstream;
}

async function close({ server }: Upstream): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

describe('nginx in front of instances', () => {
  let upstreams: Upstream[];
  let nginx: NginxServer;
  beforeEach(async () => {
    upstreams = await Promise.all([startUpstream(), startUpstream(), startUpstream()]);
    nginx = await NginxServer.start({ servers: upstreams.map(({ address }) => address) });
  });
  afterEach(async () => {
    await nginx.stop();
    await Promise.all(upstreams.map(close));
  });

  const ask = async (path: string, init: RequestInit = {}): Promise<string> =>
    (await fetch(nginx.url + path, init)).text();
  const homeOf = async (chatId: string): Promise<Upstream> => {
    const address = await ask(`/v1/chats/${chatId}`);
    return upstreams.find((upstream) => upstream.address === address)!;
  };

  it('sends all that concerns a chat to one instance, and the chats to all of them', async () => {
    const homes = new Map<string, number>();
    for (const chatId of CHATS) {
      const answers = await Promise.all([
        ask(`/v1/chats/${chatId}`),
        ask(`/v1/chats/${chatId}?x=1`),
        ask(`/v1/chats/${chatId}/messages?limit=5&before=9`),
        ask(`/v1/chats/${chatId}/messages`, { method: 'POST', body: '{}' }),
        ask(`/v1/chats/${chatId}/messages/3/reactions/%F0%9F%98%8B`, { method: 'PUT' }),
        ask(`/v1/admin/cache/chats/${chatId}`),
      ]);
      expect(new Set(answers).size).toBe(1);
      homes.set(answers[0]!, (homes.get(answers[0]!) ?? 0) + 1);
    }
    expect(homes.size).toBe(3);
    // A fair share is 20 of 60 chats.
    for (const count of homes.values()) expect(count).toBeGreaterThan(2);
  });

  it('sends what concerns a user to one instance, and users to all of them', async () => {
    const homes = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const answers = await Promise.all([
          ask(`/v1/users/user-${index}/chats`),
          ask(`/v1/users/user-${index}/chats?limit=3`),
        ]);
        expect(answers[1]).toBe(answers[0]);
        return answers[0]!;
      }),
    );
    expect(new Set(homes).size).toBe(3);
  });

  it('moves only the chats of an instance that is gone', async () => {
    const before = await Promise.all(CHATS.map(homeOf));
    const gone = upstreams[0]!;
    await close(gone);
    const after = await Promise.all(CHATS.map(homeOf));
    for (const [index, home] of before.entries()) {
      if (home === gone) expect([upstreams[1], upstreams[2]]).toContain(after[index]);
      else expect(after[index]).toBe(home);
    }
    expect(before).toContain(gone);
  });

  it('passes on the path as it came, the headers, and who asked', async () => {
    const path = `/v1/chats/${CHATS[0]}/messages/1/reactions/%F0%9F%91%8D%2F?a=%20b`;
    const home = await homeOf(CHATS[0]!);
    await ask(path, {
      headers: { 'x-user-id': 'ann', authorization: 'Bearer key', 'min-chat-version': '7', 'if-none-match': '"v5"' },
    });
    expect(home.requests.at(-1)).toBe(`GET ${path}`);
    expect(home.headers).toMatchObject({
      host: nginx.url.slice('http://'.length),
      'x-user-id': 'ann',
      authorization: 'Bearer key',
      'min-chat-version': '7',
      'if-none-match': '"v5"',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
  });

  it.each(['GET', 'PUT', 'DELETE'])('asks a second instance when the first breaks off a %s', async (method) => {
    const home = await homeOf(CHATS[0]!);
    home.breaksOff = true;
    const answer = await ask(`/v1/chats/${CHATS[0]}/read`, { method });
    expect(upstreams.filter((upstream) => upstream !== home).map(({ address }) => address)).toContain(answer);
  });

  it.each(['POST', 'PATCH'])('does not repeat a %s of which something was sent', async (method) => {
    const home = await homeOf(CHATS[0]!);
    home.breaksOff = true;
    const request: RequestInit = { method, body: '{}' };
    const answer = await fetch(`${nginx.url}/v1/chats/${CHATS[0]}/messages`, request);
    expect(answer.status).toBe(502);
    const path = `${method} /v1/chats/${CHATS[0]}/messages`;
    expect(upstreams.flatMap(({ requests }) => requests).filter((request) => request === path)).toHaveLength(1);
  });

  it('gives a POST to another instance when the first cannot be reached', async () => {
    const home = await homeOf(CHATS[0]!);
    await close(home);
    const answer = await ask(`/v1/chats/${CHATS[0]}/messages`, { method: 'POST', body: '{}' });
    expect(upstreams.filter((upstream) => upstream !== home).map(({ address }) => address)).toContain(answer);
  });

  it('keeps its connections to instances open', async () => {
    const home = await homeOf(CHATS[0]!);
    let opened = 0;
    home.server.on('connection', () => opened++);
    for (let index = 0; index < 20; index++) expect(await homeOf(CHATS[0]!)).toBe(home);
    expect(opened).toBe(0);
  });

  it('shows nobody the metrics of one instance as if they were all', async () => {
    expect((await fetch(`${nginx.url}/metrics`)).status).toBe(404);
    expect(upstreams.flatMap(({ requests }) => requests)).toEqual([]);
  });

  it('is gone when it is stopped', async () => {
    await nginx.stop();
    await expect(ask('/v1/chats/1')).rejects.toThrow('fetch failed');
  });
});

describe('the template of its configuration', () => {
  it('is filled in with what is given, and nothing else that begins with a dollar', () => {
    expect(fillTemplate('listen ${A}; $uri ${B}', { A: '$&' })).toBe('listen $&; $uri ${B}');
    expect(() => fillTemplate('listen 80', { A: '1' })).toThrow('The template has no variable A.');
  });
});

describe('looking for nginx', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrollback-nginx-search-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('says what to do when there is none, and leaves nothing behind', async () => {
    const search = findNginxProgram({ environment: { PATH: join(folder, 'empty'), XDG_CACHE_HOME: folder } });
    await expect(search).rejects.toThrow(NoNginxError);
    await expect(search).rejects.toThrow(/put nginx on PATH .* apt-get is not on PATH/s);
    expect(await readdir(join(folder, 'scrollback'))).toEqual([]);
  });
});
