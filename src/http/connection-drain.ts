import type { OutgoingHttpHeader, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * While closing, a request has to come to its end in this time, and an answer that is ready has to be taken in it. Too low and slow phones lose what
 * they are sending; too high and who stops half-way holds up the end of the process past its limit: Node looks for those no more once a server closes.
 */
const STALLED_MS = 10_000;

/**
 * Ends the connections of an HTTP server that closes: each after the last answer to what was read from it, those without a request at once.
 *
 * Node closes what is idle when a server begins to close, and Fastify tells those to close who ask later; who is being answered at that moment is told
 * to keep the connection, does so, and holds the server open. Here an answer says `Connection: close` when its headers are written after the closing
 * has begun, unless a further request was read behind it, which the client would have to believe lost. An answer whose headers were written before
 * ends its connection without a word.
 *
 * Costs one entry of a map for each request; everything else is done while closing.
 */
export class ConnectionDrain {
  /** Open connections with the answer to the last request that was read from them. */
  readonly #last = new Map<Socket, ServerResponse | undefined>();
  #isClosing = false;

  /** Begins to watch. To be made after all other listeners of requests, and before the server listens. */
  constructor(
    server: Server,
    private readonly stalledMs = STALLED_MS,
  ) {
    server.on('connection', (socket: Socket) => {
      this.#last.set(socket, undefined);
      socket.once('close', () => this.#last.delete(socket));
    });
    server.prependListener('request', ({ socket }, response) => {
      this.#last.set(socket, response);
      if (this.#isClosing) this.#tell(response);
    });
    // Node's own takes connections for idle whose answer is complete and not taken yet: they would be cut in the middle of it.
    server.closeIdleConnections = () => this.#closeIdle();
  }

  /** Closes what is idle, and from now on each connection after its last answer. To be called before the server is closed. */
  begin(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    for (const response of this.#last.values()) {
      if (response !== undefined && !isTaken(response)) this.#tell(response);
    }
    this.#closeIdle();
    setTimeout(() => this.#cutStalled(), this.stalledMs).unref();
  }

  /** Has an answer end its connection, if it is still the last when its time comes. */
  #tell(response: ServerResponse): void {
    const { socket } = response.req;
    response.once('close', () => {
      if (this.#last.get(socket) === response) socket.destroySoon();
    });
    if (response.headersSent) return;
    const writeHead = response.writeHead.bind(response) as (...head: Head) => ServerResponse;
    response.writeHead = (...head: Head): ServerResponse => {
      const isKept = response.shouldKeepAlive && this.#last.get(socket) !== response;
      response.setHeader('connection', isKept ? 'keep-alive' : 'close');
      return writeHead(...head);
    };
  }

  #closeIdle(): void {
    for (const [socket, last] of this.#last) {
      // Of a connection that is used for the first time, a part of a request may have come.
      const isIdle = last === undefined ? socket.bytesRead === 0 : isTaken(last);
      if (isIdle) socket.destroy();
    }
  }

  /** What is left then waits for us, and not for its client. */
  #cutStalled(): void {
    for (const [socket, last] of this.#last) {
      if (last === undefined || !last.req.complete || last.writableEnded) socket.destroy();
    }
  }
}

/** Whether all of an answer has gone to the system. */
function isTaken(response: ServerResponse): boolean {
  return response.writableFinished || response.destroyed;
}

type Head = [status: number, ...(string | OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined)[]];
