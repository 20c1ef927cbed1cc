import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from '../../src/transfer/seeded-random.js';

/** What a run of requests came to. */
export interface LoadCount {
  readonly requests: number;
  readonly seconds: number;
  /** Time of each answer in ms, in ascending order. */
  readonly latenciesMs: Float64Array;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const READ_BUFFER_BYTES = 2 ** 18;

/**
 * Sends ready requests over keep-alive connections, one at a time on each: as fast as they are answered, or at a rate.
 *
 * @remarks
 * It is made to cost far less than the servers that it measures: requests are bytes made beforehand, answers are read
 * into one buffer a connection and only their heads are looked at. An answer counts when as many bytes as its
 * Content-Length says have come; a status other than the expected one ends the run with an error.
 */
export class KeepAliveClient {
  readonly #connections: Connection[] = [];

  private constructor() {}

  /** Opens the connections. Every answer must have the status. */
  static async open(port: number, count: number, status = 200): Promise<KeepAliveClient> {
    const client = new KeepAliveClient();
    for (let index = 0; index < count; index++) client.#connections.push(await Connection.open(port, status));
    return client;
  }

  /**
   * Sends what `next` gives until the time is over, and waits for the last answers.
   *
   * @throws Error for an answer with another status or without a Content-Length, or a connection that ends.
   */
  async run(next: () => Buffer, durationMs: number): Promise<LoadCount> {
    const latencies: number[] = [];
    const startedMs = performance.now();
    const endMs = startedMs + durationMs;
    await Promise.all(this.#connections.map((connection) => connection.run(next, endMs, latencies)));
    return countOf(latencies, startedMs);
  }

  /**
   * Sends what `next` gives at random times, so many in a second on average (a Poisson process), over connections taken at
   * random, and waits for the last answers. A time counts from when the request was to be sent: waiting for an earlier
   * one on the same connection, and this process's own lateness, are in it.
   *
   * @throws Error as {@link run} does.
   */
  async runAtRate(
    next: () => Buffer,
    ratePerSecond: number,
    durationMs: number,
    random: SeededRandom,
  ): Promise<LoadCount> {
    const latencies: number[] = [];
    const lines = this.#connections.map((connection) => ({ connection, last: Promise.resolve() }));
    const startedMs = performance.now();
    const interval = (): number => (-Math.log(1 - random.next()) * 1000) / ratePerSecond;
    for (let dueMs = startedMs + interval(); dueMs < startedMs + durationMs; dueMs += interval()) {
      // Timers take whole milliseconds and may come early: a send before its time would count as faster than it is.
      for (let earlyMs = dueMs - performance.now(); earlyMs > 0; earlyMs = dueMs - performance.now()) {
        await delay(Math.ceil(earlyMs));
      }
      const line = random.pick(lines);
      const send = async (): Promise<void> => {
        await line.connection.run(next, 0, []);
        latencies.push(performance.now() - dueMs);
      };
      line.last = line.last.then(send);
      line.last.catch(() => undefined);
    }
    await Promise.all(lines.map(({ last }) => last));
    return countOf(latencies, startedMs);
  }

  /** Closes the connections. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

function countOf(latencies: readonly number[], startedMs: number): LoadCount {
  const seconds = (performance.now() - startedMs) / 1000;
  return { requests: latencies.length, seconds, latenciesMs: Float64Array.from(latencies).sort() };
}

/** The part of a run that one connection does. */
interface Run {
  readonly next: () => Buffer;
  readonly endMs: number;
  readonly latencies: number[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection: sends, reads to the end of the answer, sends again. */
class Connection {
  #socket!: Socket;
  #run: Run | undefined;
  #sentMs = 0;
  /** Bytes of the present answer's body that have not come yet; `undefined` before its head is complete. */
  #missing: number | undefined;
  /** The beginning of a head that came in parts. */
  #headStart: Buffer = Buffer.alloc(0);

  private constructor(private readonly status: number) {}

  static async open(port: number, status: number): Promise<Connection> {
    const connection = new Connection(status);
    await new Promise<void>((resolve, reject) => {
      const onread = {
        buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
        callback: (length: number, buffer: Uint8Array): boolean => {
          connection.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
          return true;
        },
      };
      const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread }, resolve);
      connection.#socket = socket;
      socket.on('error', (error) => {
        reject(error);
        connection.#fail(error);
      });
      socket.on('close', () => connection.#fail(new Error('the server has closed a connection')));
    });
    return connection;
  }

  run(next: () => Buffer, endMs: number, latencies: number[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#run = { next, endMs, latencies, resolve, reject };
      this.#send(performance.now());
    });
  }

  close(): void {
    this.#run = undefined;
    this.#socket.destroy();
  }

  #send(nowMs: number): void {
    this.#sentMs = nowMs;
    this.#missing = undefined;
    this.#socket.write(this.#run!.next());
  }

  #read(chunk: Buffer): void {
    if (this.#run === undefined) return;
    let missing = this.#missing;
    if (missing === undefined) {
      const bytes = this.#headStart.length === 0 ? chunk : Buffer.concat([this.#headStart, chunk]);
      const headEnd = bytes.indexOf(HEAD_END);
      if (headEnd === -1) {
        this.#headStart = Buffer.from(bytes);
        return;
      }
      this.#headStart = Buffer.alloc(0);
      const length = bodyLength(bytes.toString('latin1', 0, headEnd + 2), this.status);
      if (length instanceof Error) {
        this.#fail(length);
        return;
      }
      missing = length - (bytes.length - headEnd - HEAD_END.length);
    } else {
      missing -= chunk.length;
    }
    this.#missing = missing;
    if (missing < 0) this.#fail(new Error('an answer is longer than its Content-Length'));
    else if (missing === 0) this.#answered();
  }

  #answered(): void {
    const { latencies, endMs, resolve } = this.#run!;
    const nowMs = performance.now();
    latencies.push(nowMs - this.#sentMs);
    if (nowMs < endMs) {
      this.#send(nowMs);
    } else {
      this.#run = undefined;
      resolve();
    }
  }

  #fail(error: Error): void {
    const run = this.#run;
    this.#run = undefined;
    run?.reject(error);
  }
}

/** Length of the body by the head, which ends with a line end. */
function bodyLength(head: string, expected: number): number | Error {
  const status = head.slice(9, 12);
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
  if (status !== String(expected)) return new Error(`an answer has status ${status}`);
  return length === undefined ? new Error('an answer has no Content-Length') : Number(length);
}
