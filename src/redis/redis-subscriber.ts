import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { errorText } from '../common/error-fields.js';
import { inTime } from '../common/in-time.js';
import { addressOf, isTls, loginOf, type RedisNodeAddress } from './redis-address.js';
import { RespError, RespReader, type RespReply } from './resp-reader.js';

/** Connecting gives up after this long. */
const CONNECT_TIMEOUT_MS = 3000;

/** Between two signs of life of a connection on which nothing else comes. */
const KEEP_ALIVE_MS = 10_000;

/** Memory that all reads of a connection use. */
const READ_BYTES = 64 * 1024;

/** Hears the messages of a channel. `message` is good until it returns: the memory is used again. */
type MessageListener = (message: Buffer) => void;

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * A connection that listens to sharded channels of one Redis node, and does nothing else. It does not come back when it breaks: whoever opened
 * it hears of that, once, and decides.
 *
 * @remarks Our own, where everything else goes through node-redis, because of how it reads: all into the same memory. Node gives each read of a
 * stream 64 KiB of new memory, which stays until it is collected. See docs/decisions.md for what that costs a peer.
 */
export class RedisSubscriber {
  readonly #socket: Socket;
  readonly #listeners = new Map<string, MessageListener>();
  /** Commands whose answers are to come, the first first. */
  readonly #waiting: Waiting[] = [];
  #end: ((reason: string) => void) | undefined;

  private constructor(url: URL, { host, port }: RedisNodeAddress) {
    const reader = new RespReader((reply) => this.#take(reply));
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const read = (size: number): boolean => {
      try {
        reader.write(buffer.subarray(0, size));
      } catch (error) {
        this.#fail(errorText(error));
      }
      return true;
    };
    const options = { host, port, onread: { buffer, callback: read } };
    this.#socket = isTls(url)
      ? connectTls({ ...options, ...(isIP(host) ? {} : { servername: host }) })
      : connectTcp(options);
    this.#socket.on('error', (error) => this.#fail(errorText(error)));
    this.#socket.on('close', () => this.#fail('The connection to Redis has ended.'));
  }

  /**
   * Connects and logs in.
   *
   * @param url - how to log in, and where unless `address` says otherwise.
   * @param onLost - told once when the connection has broken, or a channel has moved to another node. Not told of one that is closed.
   * @throws what the network or Redis says; nothing is open then.
   */
  static async open(url: URL, onLost: (reason: string) => void, address = addressOf(url)): Promise<RedisSubscriber> {
    const subscriber = new RedisSubscriber(url, address);
    const failed = new Promise<never>((_resolve, reject) => {
      subscriber.#end = (reason) => reject(new Error(reason));
    });
    try {
      const loggedIn = Promise.race([subscriber.#logIn(url), failed]);
      await inTime(loggedIn, CONNECT_TIMEOUT_MS, 'Redis did not answer in time.');
    } catch (error) {
      subscriber.close();
      throw error;
    }
    subscriber.#end = onLost;
    return subscriber;
  }

  /** Listens to a channel. @throws RespError what Redis says, and Error when the connection is lost meanwhile. */
  async subscribe(channel: string, onMessage: MessageListener): Promise<void> {
    this.#listeners.set(channel, onMessage);
    await this.#send('SSUBSCRIBE', channel);
  }

  /** Closes at once; what waits for an answer rejects. */
  close(): void {
    this.#end = undefined;
    this.#fail('The connection to Redis was closed.');
  }

  async #logIn(url: URL): Promise<void> {
    await once(this.#socket, isTls(url) ? 'secureConnect' : 'connect');
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // As the client of the connection that publishes does it: a user without a password is the default one.
    const { username, password } = loginOf(url);
    if (password !== undefined) await this.#send('AUTH', ...(username === undefined ? [] : [username]), password);
    await this.#send('CLIENT', 'SETNAME', 'scrollback').catch((error: unknown) => {
      // It is a name and no more: who may not give it may listen all the same.
      if (!(error instanceof RespError)) throw error;
    });
  }

  #send(...args: readonly string[]): Promise<void> {
    const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('The connection to Redis has ended.'));
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`*${parts.length}\r\n${parts.join('')}`);
    });
  }

  #take(reply: RespReply): void {
    // What came in one piece with the end, behind it.
    if (this.#socket.destroyed) return;
    if (Array.isArray(reply)) {
      const [kind, channel, message] = (reply as readonly RespReply[]).map((each, index) =>
        index < 2 && Buffer.isBuffer(each) ? each.toString() : each,
      );
      if (kind === 'smessage') {
        if (Buffer.isBuffer(message)) this.#listeners.get(channel as string)?.(message);
        return;
      }
      if (kind === 'sunsubscribe') {
        this.#fail('A slot of the Redis Cluster has moved.');
        return;
      }
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#fail('Redis answers what nobody has asked.');
    else if (reply instanceof RespError) waiting.reject(reply);
    else waiting.resolve();
  }

  #fail(reason: string): void {
    const end = this.#end;
    this.#end = undefined;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(reason));
    end?.(reason);
  }
}
