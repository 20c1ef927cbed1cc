import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { KeepAliveClient } from '../../bench/load/keep-alive-client.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';

const REQUEST = Buffer.from('GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
const BODY = 'x'.repeat(100);
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** Long enough for several requests on each connection; nothing depends on how many. */
const DURATION_MS = 50;

describe('the benchmarks’ client', () => {
  let server: Server;
  let client: KeepAliveClient | undefined;

  afterEach(async () => {
    client?.close();
    server.close();
    await once(server, 'close');
  });

  /** Answers every request by `answer`, and counts them. */
  async function listen(answer: (socket: Socket) => Promise<void> | void): Promise<{ port: number; requests: number }> {
    const state = { port: 0, requests: 0 };
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (request) => {
        expect(request).toEqual(REQUEST);
        state.requests++;
        void answer(socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    state.port = (server.address() as AddressInfo).port;
    return state;
  }

  async function run(port: number, durationMs = DURATION_MS): Promise<number> {
    client = await KeepAliveClient.open(port, 3);
    const { requests, latenciesMs } = await client.run(() => REQUEST, durationMs);
    expect(latenciesMs).toHaveLength(requests);
    expect([...latenciesMs].every((ms, index) => ms >= (latenciesMs[index - 1] ?? 0))).toBe(true);
    return requests;
  }

  it('counts every answer once, and sends one request at a time on each connection', async () => {
    const state = await listen((socket) => void socket.write(ANSWER));
    const requests = await run(state.port);
    expect(requests).toBeGreaterThanOrEqual(3);
    expect(requests).toBe(state.requests);
  });

  it('sends at random times at a rate as often as the seed says, whatever the answers take', async () => {
    const state = await listen((socket) => void socket.write(ANSWER));
    client = await KeepAliveClient.open(state.port, 3);
    const ratePerSecond = 400;
    const { requests, latenciesMs } = await client.runAtRate(
      () => REQUEST,
      ratePerSecond,
      DURATION_MS,
      new SeededRandom(5),
    );
    expect(requests).toBeGreaterThan(0);
    expect(state.requests).toBe(requests);
    expect(latenciesMs).toHaveLength(requests);
    expect([...latenciesMs].every((ms) => ms > 0)).toBe(true);
  });

  it('sends once on each connection when there is no time at all', async () => {
    const { port } = await listen((socket) => void socket.write(ANSWER));
    expect(await run(port, 0)).toBe(3);
  });

  it.each([1, 20, 60, ANSWER.length - 1])(
    'waits for the whole answer when it comes in pieces, cut at %i',
    async (cut) => {
      const state = await listen(async (socket) => {
        socket.write(ANSWER.slice(0, cut));
        await nextTurn();
        socket.write(ANSWER.slice(cut));
      });
      expect(await run(state.port)).toBe(state.requests);
    },
  );

  it.each([
    ['a status other than 200', ANSWER.replace('200 OK', '503 Busy'), 'an answer has status 503'],
    ['an answer without a length', ANSWER.replace('Content-Length', 'X-Length'), 'an answer has no Content-Length'],
    ['an answer longer than it says', `${ANSWER}x`, 'an answer is longer than its Content-Length'],
  ])('fails for %s', async (_case, answer, message) => {
    const { port } = await listen((socket) => void socket.write(answer));
    await expect(run(port)).rejects.toThrow(message);
  });

  it('fails when the server closes a connection', async () => {
    const { port } = await listen((socket) => void socket.end(ANSWER.slice(0, 60)));
    await expect(run(port)).rejects.toThrow('the server has closed a connection');
  });
});
