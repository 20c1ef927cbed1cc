import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { LoadShedder } from '../limits/load-shedder.js';

/**
 * Requests of one connection that may be at work at once; further ones wait. Browsers and clients of backends wait for an answer before they ask
 * again; who does not could have as many answers made, each of megabytes, as fit into a packet of requests, and not read one of them.
 */
const MAX_OF_CONNECTION = 16;

/**
 * Requests of one connection that may wait: when so many do, nothing more is read from it than what has come along with them, 64 KiB at most. Fewer and
 * a pipeline runs dry between two readings; more and who floods many connections fills the memory.
 */
const MAX_WAITING = 16;

/** Waiting ones with which reading goes on: while one waits, all that are at work have come whole, and miss nothing that is not read. */
const FEW_WAITING = 8;

interface Connection {
  atWork: number;
  readonly waiting: Waiting[];
  /** Whether nothing is read from it. */
  isPaused: boolean;
  /** The request that is not to be called late yet: one that has begun to wait, or the next to come. */
  excused: IncomingMessage | 'next' | undefined;
  giveUp: (() => void) | undefined;
}

interface Waiting {
  readonly request: IncomingMessage;
  readonly run: () => void;
}

/**
 * Counts requests from their beginning to the end of their answer, or of their connection: of answers that wait behind another one when their connection
 * breaks, nobody hears any more.
 */
export class RequestsAtWork {
  readonly #connections = new WeakMap<Socket, Connection>();
  #waiting = 0;

  /** @param lateMs - time for a request that was late, while its connection was not read from, to come to its end. */
  constructor(
    private readonly shedder: LoadShedder,
    private readonly lateMs: number,
  ) {}

  /** Requests that wait for their turn, of all connections. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs a request, at once or when others of its connection are done; never, if that ends before. */
  inTurn(request: IncomingMessage, run: () => void): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection?.excused === 'next') connection.excused = request;
    if (connection === undefined || (connection.atWork < MAX_OF_CONNECTION && connection.waiting.length === 0)) {
      run();
      return;
    }
    connection.waiting.push({ request, run });
    this.#waiting++;
    if (connection.waiting.length < MAX_WAITING || connection.isPaused) return;
    connection.isPaused = true;
    stopReading(socket);
  }

  /** A request that runs is at work from now on, until its answer is at its end. */
  begin(socket: Socket, response: ServerResponse): void {
    if (socket.destroyed) return;
    const connection = this.#connections.get(socket) ?? this.#open(socket);
    connection.atWork++;
    this.shedder.begin();
    response.once('close', () => {
      // The connection may have ended all of them.
      if (connection.atWork === 0) return;
      connection.atWork--;
      this.shedder.end();
      this.#goOn(socket, connection);
    });
  }

  /**
   * To be asked when a request has not come to its end in time.
   *
   * @param giveUp - is called when it does not come in time from when reading goes on, either.
   * @returns whether that may be because its connection is not read from: then the request is not to be refused now.
   */
  excuses(socket: Socket, giveUp: () => void): boolean {
    const connection = this.#connections.get(socket);
    if (connection?.isPaused !== true) return false;
    const { request } = connection.waiting.at(-1)!;
    connection.excused = request.complete ? 'next' : request;
    connection.giveUp = giveUp;
    return true;
  }

  #open(socket: Socket): Connection {
    const connection: Connection = {
      atWork: 0,
      waiting: [],
      isPaused: false,
      excused: undefined,
      giveUp: undefined,
    };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      this.#waiting -= connection.waiting.length;
      connection.waiting.length = 0;
      for (; connection.atWork > 0; connection.atWork--) this.shedder.end();
    });
    // Whoever reads the body of a request, and Node when a slow reader has caught up, has the whole connection read.
    socket.on('resume', () => {
      if (connection.isPaused) stopReading(socket);
    });
    return connection;
  }

  #goOn(socket: Socket, connection: Connection): void {
    while (connection.atWork < MAX_OF_CONNECTION && connection.waiting.length > 0) {
      this.#waiting--;
      connection.waiting.shift()!.run();
    }
    if (!connection.isPaused || connection.waiting.length > FEW_WAITING || socket.destroyed) return;
    connection.isPaused = false;
    socket.resume();
    if (connection.excused !== undefined) this.#giveTimeAgain(connection);
  }

  #giveTimeAgain(connection: Connection): void {
    setTimeout(() => {
      const { excused, giveUp } = connection;
      connection.excused = undefined;
      connection.giveUp = undefined;
      if (excused === 'next' || excused?.complete === false) giveUp?.();
    }, this.lateMs).unref();
  }
}

/** Stops reading from a connection. One that is not to be read from as its stream sees it may be read from by the parser all the same. */
function stopReading(socket: Socket): void {
  if (socket.readableFlowing === false) socket.emit('pause');
  else socket.pause();
}
