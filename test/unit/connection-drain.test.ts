import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionDrain } from '../../src/http/connection-drain.js';
import { settlesWithin, waitUntil } from '../../src/storage/embedded/wait-until.js';

/** For what takes milliseconds; connections that are kept would stay for longer. */
const PROMPT_MS = 3000;
const KEPT_MS = 60_000;
/** More than the buffers of a connection hold. */
const LARGE = Buffer.alloc(32 * 2 ** 20, 'x');

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A client that says what it is told to say, and keeps what it hears. */
class Line {
  heard = '';
  isEnded = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.heard += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isEnded = true));
  }

  static async open(server: Server): Promise<Line> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    return new Line(socket);
  }

  ask(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }

  /** What the answers said of the connection, in order. */
  get connections(): string[] {
    return [...this.heard.matchAll(/^connection: (\S+)/gim)].map(([, told]) => told!);
  }

  ends(): Promise<boolean> {
    return waitUntil(() => this.isEnded, PROMPT_MS);
  }
}

describe('the connections of a server that closes', () => {
  let server: Server;
  let asked: Asked[];
  const lines: Line[] = [];
  const serve = async (stalledMs?: number): Promise<() => Promise<boolean>> => {
    asked = [];
    server = createServer({ keepAliveTimeout: KEPT_MS }, (request, response) => asked.push({ request, response }));
    const drain = new ConnectionDrain(server, stalledMs);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return () => {
      drain.begin();
      const closed = once(server, 'close');
      server.close();
      return settlesWithin(closed, PROMPT_MS);
    };
  };
  const open = async (): Promise<Line> => {
    const line = await Line.open(server);
    lines.push(line);
    return line;
  };
  const areAsked = (count: number): Promise<boolean> => waitUntil(() => asked.length === count, PROMPT_MS);

  let close: () => Promise<boolean>;
  beforeEach(async () => {
    close = await serve();
  });
  afterEach(() => {
    for (const { socket } of lines.splice(0)) socket.destroy();
    server.closeAllConnections();
  });

  it('end at once where nothing is asked: unused, or used before', async () => {
    const unused = await open();
    const used = await open();
    used.ask('/');
    await areAsked(1);
    asked[0]!.response.end('answer');
    expect(await waitUntil(() => used.heard.includes('answer'), PROMPT_MS)).toBe(true);
    expect(await close()).toBe(true);
    expect(await unused.ends()).toBe(true);
    expect(await used.ends()).toBe(true);
    expect(used.connections).toEqual(['keep-alive']);
  });

  it('end after the answer to what was being asked, which says so', async () => {
    const line = await open();
    line.ask('/');
    await areAsked(1);
    const closed = close();
    asked[0]!.response.writeHead(200, { 'content-type': 'text/plain' }).end('answer');
    expect(await closed).toBe(true);
    expect(await line.ends()).toBe(true);
    expect(line.connections).toEqual(['close']);
    expect(line.heard).toContain('answer');
  });

  it('end after an answer that had begun to say that they are kept', async () => {
    const line = await open();
    line.ask('/');
    await areAsked(1);
    asked[0]!.response.write('begun, ');
    expect(await waitUntil(() => line.heard.includes('begun'), PROMPT_MS)).toBe(true);
    const closed = close();
    asked[0]!.response.end('done');
    expect(await closed).toBe(true);
    expect(await line.ends()).toBe(true);
    expect(line.heard).toContain('done');
  });

  it('end after the last of several requests, also of those that come while closing; all are answered', async () => {
    const line = await open();
    line.ask('/1');
    line.ask('/2');
    await areAsked(2);
    const closed = close();
    line.ask('/3');
    await areAsked(3);
    // As a framework does that knows of the closing and not of the others.
    asked[1]!.response.setHeader('Connection', 'close');
    for (const { request, response } of asked) response.end(`answer to ${request.url}`);
    expect(await closed).toBe(true);
    expect(await line.ends()).toBe(true);
    expect(line.connections).toEqual(['keep-alive', 'keep-alive', 'close']);
    expect([...line.heard.matchAll(/answer to (\S\d)/g)].map(([, path]) => path)).toEqual(['/1', '/2', '/3']);
  });

  it('end when a slow reader has taken the whole of a large answer', async () => {
    const line = await open();
    line.socket.pause();
    line.ask('/');
    await areAsked(1);
    asked[0]!.response.end(LARGE);
    const closed = close();
    line.socket.resume();
    expect(await closed).toBe(true);
    expect(await line.ends()).toBe(true);
    expect(line.heard.length).toBeGreaterThan(LARGE.length);
  });

  it('are cut where a request does not come to its end, or an answer is not taken', async () => {
    await close();
    close = await serve(200);
    const [begun, half, deaf, waiting] = [await open(), await open(), await open(), await open()];
    begun.socket.write('GET / HT');
    half.socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab');
    deaf.socket.pause();
    deaf.ask('/');
    waiting.ask('/waiting');
    await areAsked(3);
    asked.find(({ request }) => request.socket.remotePort === deaf.socket.localPort)!.response.end(LARGE);
    const closed = close();
    expect(await begun.ends()).toBe(true);
    expect(await half.ends()).toBe(true);
    // It waits for us.
    expect(waiting.isEnded).toBe(false);
    asked.find(({ request }) => request.url === '/waiting')!.response.end('answer');
    expect(await closed).toBe(true);
    expect(await waiting.ends()).toBe(true);
    expect(waiting.heard).toContain('answer');
  });
});
