import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { RequestsAtWork } from '../../src/http/requests-at-work.js';
import { LoadShedder } from '../../src/limits/load-shedder.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { DEADLINE_MS } from '../support/process.js';

/** What is read of a connection at a time. */
const CHUNK_BYTES = 65_536;
/** Waiting requests with which reading stops. */
const MAX_WAITING = 16;

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A server whose requests take turns, and what is known of them. */
class Site {
  readonly shedder = new LoadShedder(Number.MAX_SAFE_INTEGER, 0);
  readonly atWork: RequestsAtWork;
  readonly server: Server;
  mostWaiting = 0;
  mostAtWork = 0;
  late = 0;
  #sockets: Socket[] = [];

  constructor(handle: Handler, options: ServerOptions = {}) {
    this.atWork = new RequestsAtWork(this.shedder, options.requestTimeout ?? 1000);
    this.server = createServer(options, (request, response) => {
      this.atWork.inTurn(request, () => {
        // What reads the body of a request whose connection ends is told so.
        handle(request, response).catch(() => response.destroy());
        this.atWork.begin(request.socket, response);
        this.mostAtWork = Math.max(this.mostAtWork, this.shedder.inFlight);
      });
      this.mostWaiting = Math.max(this.mostWaiting, this.atWork.waiting);
    });
    this.server.on('clientError', (_error, socket: Socket) => {
      this.late++;
      const giveUp = () => void socket.end('HTTP/1.1 408 Late\r\nConnection: close\r\n\r\n');
      if (!this.atWork.excuses(socket, giveUp)) giveUp();
    });
  }

  async open(): Promise<{ socket: Socket; said: () => string }> {
    if (!this.server.listening) await once(this.server.listen(0, '127.0.0.1'), 'listening');
    const socket = connect((this.server.address() as AddressInfo).port, '127.0.0.1');
    this.#sockets.push(socket);
    const chunks: string[] = [];
    socket.on('data', (chunk) => chunks.push(chunk.toString('latin1')));
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return { socket, said: () => chunks.join('') };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

let site: Site;
afterEach(() => site.close());

const places = (said: string): number[] => [...said.matchAll(/^place: (\d+)\r$/gm)].map(([, place]) => Number(place));
const upTo = (count: number): number[] => Array.from({ length: count }, (_unused, at) => at);
const get = (place: number): string => `GET /${place} HTTP/1.1\r\nHost: x\r\n\r\n`;
const pipeline = (count: number): string => upTo(count).map(get).join('');
/** Answers with the place of a request in its pipeline. */
const answer = (request: IncomingMessage, response: ServerResponse, body = ''): void => {
  response.writeHead(200, { place: request.url!.slice(1), 'content-length': body.length }).end(body);
};
const until = (condition: () => boolean): Promise<boolean> => waitUntil(condition, DEADLINE_MS);

describe('requests of one connection', () => {
  it('of which 30,000 come at once are read as they are answered: few wait, and all are answered in their order', async () => {
    site = new Site(async (request, response) => {
      await turn();
      answer(request, response);
    });
    const { socket, said } = await site.open();
    socket.write(pipeline(30_000));
    expect(await until(() => said().includes('place: 29999'))).toBe(true);
    expect(places(said())).toEqual(upTo(30_000));
    expect(site.mostAtWork).toBe(16);
    expect(site.mostWaiting).toBeGreaterThanOrEqual(MAX_WAITING);
    expect(site.mostWaiting).toBeLessThanOrEqual(MAX_WAITING + Math.ceil(CHUNK_BYTES / get(0).length));
    expect([site.atWork.waiting, site.shedder.inFlight]).toEqual([0, 0]);
  });

  it('wait in no greater number when their reader is slow, so that the server itself stops and goes on reading', async () => {
    site = new Site(async (request, response) => {
      await turn();
      answer(request, response, 'x'.repeat(5000));
    });
    const { socket, said } = await site.open();
    socket.write(pipeline(4000));
    for (let seen = 0; seen < 4000; seen = places(said()).length) {
      socket.pause();
      await turn();
      socket.resume();
      await once(socket, 'data');
    }
    expect(places(said())).toEqual(upTo(4000));
    expect(site.mostWaiting).toBeLessThanOrEqual(MAX_WAITING + Math.ceil(CHUNK_BYTES / get(0).length));
  });

  it('get their bodies, however many are behind them and however late the last comes', async () => {
    site = new Site(async (request, response) => {
      const { length } = await buffer(request);
      answer(request, response, 'x'.repeat(length));
    });
    const { socket, said } = await site.open();
    const post = (place: number): string => `POST /${place} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n`;
    const body = 'b'.repeat(10_000);
    socket.write(
      upTo(200)
        .map((place) => post(place) + body)
        .join(''),
    );
    socket.write(post(200) + body.slice(1));
    expect(await until(() => places(said()).length === 200)).toBe(true);
    socket.write('b');
    expect(await until(() => places(said()).length === 201)).toBe(true);
    expect(places(said())).toEqual(upTo(201));
    expect(said().match(/x{10000}/g)).toHaveLength(201);
  });

  it('are answered on a connection that is not read from for longer than its silence may last', async () => {
    site = new Site(async (request, response) => {
      await delay(20);
      answer(request, response);
    });
    site.server.timeout = 100;
    const { socket, said } = await site.open();
    // All in one piece: nothing is read from beginning to end.
    socket.write(pipeline(400));
    expect(await until(() => places(said()).length === 400 || socket.destroyed)).toBe(true);
    expect(places(said())).toEqual(upTo(400));
  });

  it('are forgotten with it', async () => {
    site = new Site(() => new Promise(() => undefined));
    const { socket } = await site.open();
    socket.write(pipeline(5000));
    expect(await until(() => site.atWork.waiting >= MAX_WAITING)).toBe(true);
    expect(site.shedder.inFlight).toBe(16);
    // Nothing is read from it, so that its end is seen by who writes to it.
    site.server.closeAllConnections();
    expect(await until(() => site.atWork.waiting === 0 && site.shedder.inFlight === 0)).toBe(true);
    socket.destroy();
  });
});

describe('a request that comes while its connection is not read from', () => {
  const lateAfter = (ms: number): ServerOptions => ({
    requestTimeout: ms,
    headersTimeout: ms,
    connectionsCheckingInterval: 20,
  });
  const makeGate = (): { opened: Promise<void>; open: () => void } => {
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    return { opened, open };
  };

  it.each([
    ['its headers', (rest: number) => pipeline(rest)],
    [
      'its body',
      (rest: number) =>
        upTo(rest)
          .map((at) => `POST /${at} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${'b'.repeat(900)}`)
          .join(''),
    ],
  ])('is not late by that, be it in the middle of %s', async (_what, requests) => {
    const gate = makeGate();
    site = new Site(async (request, response) => {
      await gate.opened;
      answer(request, response);
    }, lateAfter(2000));
    const { socket, said } = await site.open();
    socket.write(requests(5000));
    expect(await until(() => site.late === 1)).toBe(true);
    gate.open();
    expect(await until(() => places(said()).length === 5000 || socket.destroyed)).toBe(true);
    expect(places(said())).toEqual(upTo(5000));
    expect(said().includes('HTTP/1.1 408')).toBe(false);
  });

  it.each([
    ['headers', 'GET /40 HTTP/1.1\r\nHos'],
    ['body', 'POST /40 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf'],
  ])('is late when the rest of its %s does not come afterwards, either', async (_what, half) => {
    const gate = makeGate();
    site = new Site(async (request, response) => {
      await gate.opened;
      await buffer(request);
      answer(request, response);
    }, lateAfter(200));
    const { socket, said } = await site.open();
    socket.write(pipeline(40) + half);
    expect(await until(() => site.late === 1)).toBe(true);
    expect(said()).toBe('');
    gate.open();
    await once(socket, 'close');
    expect(places(said())).toEqual(upTo(40));
    expect(said()).toContain('HTTP/1.1 408 ');
  });
});
