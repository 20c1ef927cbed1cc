import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { KEY } from './abuse-site.js';

/** What is sent, and what may come back. */
interface Attack {
  readonly what: string;
  readonly bytes: string | Buffer;
  /** Statuses that the first answer may have; none: the connection may end without an answer. */
  readonly statuses: readonly number[];
}

const HOST = 'Host: x\r\n';
const get = (rest: string): string => `GET /health/live HTTP/1.1\r\n${rest}\r\n`;
const post = (rest: string, body = ''): string =>
  `POST /v1/chats HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${rest}\r\n${body}`;

/** Bytes that are no HTTP, or HTTP that means two things. */
export const ATTACKS: readonly Attack[] = [
  { what: 'no HTTP at all', bytes: 'GARBAGE\r\n\r\n', statuses: [400] },
  { what: 'binary', bytes: Buffer.from(Array.from({ length: 256 }, (_value, at) => at)), statuses: [400] },
  { what: 'a TLS hello', bytes: Buffer.from('16030100a5010000a10303', 'hex'), statuses: [400] },
  { what: 'the preface of HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', statuses: [400, 505] },
  { what: 'an HTTP of the future', bytes: 'GET / HTTP/9.9\r\n\r\n', statuses: [400, 505] },
  { what: 'HTTP/0.9', bytes: 'GET /\r\n', statuses: [400] },
  { what: 'no Host', bytes: get(''), statuses: [400] },
  {
    what: 'an address of 20,000 characters',
    bytes: `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`,
    statuses: [431, 414],
  },
  { what: '5,000 headers', bytes: get(HOST + 'X-A: 1\r\n'.repeat(5000)), statuses: [431] },
  { what: 'a header of 100,000 bytes', bytes: get(`${HOST}X-A: ${'a'.repeat(100_000)}\r\n`), statuses: [431] },
  { what: 'NUL in a header', bytes: get(`${HOST}X-A: a\0b\r\n`), statuses: [400] },
  { what: 'a lone line feed in a header', bytes: get(`${HOST}X-A: a\nX-B: b\r\n`), statuses: [200, 400] },
  { what: 'a header without a name', bytes: get(`${HOST}: x\r\n`), statuses: [400] },
  { what: 'a space before the colon', bytes: get(`${HOST}Content-Length : 5\r\n`), statuses: [400] },
  { what: 'a folded header', bytes: get(`${HOST}X-A: a\r\n b\r\n`), statuses: [200, 400] },
  { what: 'two lengths', bytes: post('Content-Length: 2\r\nContent-Length: 3\r\n', '{}}'), statuses: [400] },
  {
    what: 'a length and chunks',
    bytes: post('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    statuses: [400],
  },
  { what: 'a negative length', bytes: post('Content-Length: -1\r\n'), statuses: [400] },
  { what: 'a length beyond numbers', bytes: post(`Content-Length: ${'9'.repeat(40)}\r\n`), statuses: [400] },
  { what: 'a length that is too large', bytes: post('Content-Length: 999999999999\r\n', '{}'), statuses: [401] },
  {
    what: 'a length that is too large, by a service,',
    bytes: post(`Authorization: Bearer ${KEY}\r\nContent-Length: 999999999999\r\n`, '{}'),
    statuses: [413],
  },
  {
    what: 'chunks that are none',
    bytes: post('Transfer-Encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'),
    statuses: [400],
  },
  {
    what: 'chunks of twice chunked',
    bytes: post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'),
    statuses: [400],
  },
  { what: 'an unknown coding', bytes: post('Transfer-Encoding: gzip\r\n', 'x'), statuses: [400, 501] },
  {
    what: 'compressed JSON',
    bytes: post('Content-Encoding: gzip\r\nContent-Length: 3\r\n', 'abc'),
    statuses: [400, 401, 415],
  },
  {
    what: 'an absolute address of elsewhere',
    bytes: `GET http://evil.example/health/live HTTP/1.1\r\n${HOST}\r\n`,
    statuses: [200, 400, 404],
  },
  { what: 'CONNECT', bytes: 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n', statuses: [] },
  { what: 'an upgrade', bytes: get(`${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n`), statuses: [200, 400, 426] },
  { what: 'an expectation', bytes: get(`${HOST}Expect: nonsense\r\n`), statuses: [417, 200] },
  { what: 'half a body, and the end', bytes: post('Content-Length: 100\r\n', '{"title":'), statuses: [400, 401] },
  { what: 'half the headers, and the end', bytes: 'GET / HTTP/1.1\r\nHos', statuses: [400] },
  { what: 'nothing', bytes: '', statuses: [] },
];

/** Sends bytes, ends the writing side, and gives what came back. */
export async function sendBytes(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const answer = text(socket).catch(() => '');
  socket.end(bytes);
  return answer;
}

/** Status of the first answer in a text; `undefined`: there is none. */
export function statusIn(answer: string): number | undefined {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
  return status === undefined ? undefined : Number(status);
}

/** Sends the same request many times without waiting, on one connection. @returns statuses, in the order of the answers. */
export async function pipeline(port: number, requests: readonly string[]): Promise<number[]> {
  const socket = connect(port, '127.0.0.1');
  const answer = text(socket);
  socket.write(requests.join(''));
  socket.end();
  return [...(await answer).matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** Sends bytes and then nothing more. @returns what the server says until it closes the connection. */
export async function sendAndStall(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const answer = text(socket).catch(() => '');
  socket.write(bytes);
  return answer;
}

/** Opens connections that say nothing. @returns those that were opened. */
export async function openIdle(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  // A few at a time: the server's backlog is no part of the test.
  for (let opened = 0; opened < count; opened += 100) {
    const some = Array.from({ length: Math.min(100, count - opened) }, () => connect(port, '127.0.0.1'));
    for (const socket of some) socket.on('error', () => undefined);
    await Promise.all(some.map((socket) => once(socket, 'connect')));
    sockets.push(...some);
  }
  return sockets;
}
