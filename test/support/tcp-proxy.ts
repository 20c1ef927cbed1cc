import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A proxy that can stop passing anything on without closing, as a network does whose other end has gone without a word, and that
 * can be slow.
 */
export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  readonly #late = new Set<NodeJS.Timeout>();
  #isFrozen = false;
  #isRefusing = false;
  #delayMs = 0;

  private constructor(private readonly server: Server) {}

  /** Starts one on a free port of the loopback interface. `target` is a port there, or the path of a socket. */
  static async start(target: number | string): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on('connection', (near) => {
      if (proxy.#isRefusing) return void near.destroy();
      const far = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        proxy.#sockets.add(from);
        from.on('data', (chunk) => {
          if (!proxy.#isFrozen) proxy.#pass(to, chunk);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          proxy.#sockets.delete(from);
          if (!proxy.#isFrozen) to.destroy();
        });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Swallows everything from now on, in new connections as well. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Closes all connections, and new ones at once, as a server does that is going down. */
  refuse(): void {
    this.#isRefusing = true;
    this.cut();
  }

  /** Passes on what new connections say. What was opened before is of no use any more and is cut. */
  thaw(): void {
    this.#isFrozen = false;
    this.#isRefusing = false;
    this.cut();
  }

  /**
   * Passes everything on so much later from now on, and in order; 0 is at once again: what was opened while it was slow is cut, as
   * it would overtake.
   */
  slowDown(delayMs: number): void {
    this.#delayMs = delayMs;
    if (delayMs === 0) this.cut();
  }

  /** Closes all connections on both sides. */
  cut(): void {
    for (const late of this.#late) clearTimeout(late);
    this.#late.clear();
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.#isFrozen = false;
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  #pass(to: Socket, chunk: Buffer): void {
    if (this.#delayMs === 0) {
      to.write(chunk);
      return;
    }
    const late = setTimeout(() => {
      this.#late.delete(late);
      to.write(chunk);
    }, this.#delayMs);
    this.#late.add(late);
  }
}
