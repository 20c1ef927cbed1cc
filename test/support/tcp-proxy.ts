import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a target has said on one connection since it is kept back. */
export interface Gathered {
  readonly to: Socket;
  readonly chunks: Buffer[];
  /** Whether the target has closed the connection. */
  isEnded: boolean;
}

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
  #gathered: Gathered[] | undefined;

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
          if (proxy.#isFrozen) return;
          const gathered = from === far ? proxy.#gathering(to) : undefined;
          if (gathered === undefined) proxy.#pass(to, chunk);
          else gathered.chunks.push(chunk);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          proxy.#sockets.delete(from);
          const gathered = from === far ? proxy.#gathering(to) : undefined;
          if (gathered !== undefined) gathered.isEnded = true;
          else if (!proxy.#isFrozen) to.destroy();
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

  /** Keeps back what the target says from now on, and that it has closed its connections. */
  gather(): void {
    this.#gathered = [];
  }

  /** What is kept back, a connection each. */
  get gathered(): readonly Readonly<Gathered>[] {
    return this.#gathered ?? [];
  }

  /** Passes on what was kept back, each connection's in one piece: a reader that is not slow finds it in one turn. */
  passGathered(): void {
    const gathered = this.gathered;
    this.#gathered = undefined;
    for (const { to, chunks, isEnded } of gathered) {
      if (isEnded) to.end(Buffer.concat(chunks));
      else to.write(Buffer.concat(chunks));
    }
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

  #gathering(to: Socket): Gathered | undefined {
    if (this.#gathered === undefined) return undefined;
    const known = this.#gathered.find((gathered) => gathered.to === to);
    if (known !== undefined) return known;
    const gathered: Gathered = { to, chunks: [], isEnded: false };
    this.#gathered.push(gathered);
    return gathered;
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
