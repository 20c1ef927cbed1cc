import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { LoadShedder } from '../limits/load-shedder.js';

/**
 * Requests of one connection that may be at work at once; further ones wait. Browsers and clients of backends wait for an answer before they ask
 * again; who does not could have as many answers made, each of megabytes, as fit into a packet of requests, and not read one of them.
 */
const MAX_OF_CONNECTION = 16;

interface Connection {
  atWork: number;
  readonly waiting: (() => void)[];
}

/**
 * Counts requests from their beginning to the end of their answer, or of their connection: of answers that wait behind another one when their connection
 * breaks, nobody hears any more.
 */
export class RequestsAtWork {
  readonly #connections = new WeakMap<Socket, Connection>();

  constructor(private readonly shedder: LoadShedder) {}

  /** Runs a request, at once or when others of its connection are done; never, if that ends before. */
  inTurn(socket: Socket, run: () => void): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || (connection.atWork < MAX_OF_CONNECTION && connection.waiting.length === 0)) run();
    else connection.waiting.push(run);
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
      while (connection.atWork < MAX_OF_CONNECTION && connection.waiting.length > 0) connection.waiting.shift()!();
    });
  }

  #open(socket: Socket): Connection {
    const connection: Connection = { atWork: 0, waiting: [] };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      connection.waiting.length = 0;
      for (; connection.atWork > 0; connection.atWork--) this.shedder.end();
    });
    return connection;
  }
}
