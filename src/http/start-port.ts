import { once } from 'node:events';
import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  createServer as createListener,
  type AddressInfo,
  type ListenOptions,
  type Server as Listener,
  type Socket,
} from 'node:net';
import { REQUEST_ID_HEADER, requestIdOf } from '../common/request-id.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { ListenError } from './listen-error.js';
import { problemOf, retryAfterSeconds } from './problem.js';
import { securityHeaderList } from './security-headers.js';
import type { StartProgress } from './start-progress.js';

/** Who asks during a start and does not come to an end is cut off. */
const SILENCE_MS = 15_000;

/** Probes are few. */
const MAX_CONNECTIONS = 1000;

/** Where a port is, and which variable of the environment says so. */
export interface PortPlace {
  readonly variable: 'PORT' | 'METRICS_PORT';
  /** 0: a free one. */
  readonly port: number;
  readonly host: string;
}

/**
 * A port from the first moment of a start until the application listens on it.
 *
 *     open -> given over      the socket stays open and is the application's: nobody is refused in between
 *          -> closed          the start has failed or was ended
 *
 * While it is open probes are answered, and everybody else is told to come again; each answer ends its connection. A port that is taken fails the start
 * before it has touched the database.
 */
export class StartPort {
  readonly #answers: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  private constructor(
    private readonly listener: Listener,
    private readonly place: PortPlace,
    progress: StartProgress,
  ) {
    // It has no socket of its own to listen on: connections are handed to it.
    this.#answers = createServer((request, response) => answer(progress, request, response));
    this.#answers.timeout = SILENCE_MS;
    listener.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#answers.emit('connection', socket);
    });
  }

  /** @throws ListenError naming the variable, when the port cannot be had. */
  static async open(place: PortPlace, progress: StartProgress): Promise<StartPort> {
    // As HTTP servers are.
    const listener = createListener({ allowHalfOpen: true, noDelay: true });
    listener.maxConnections = MAX_CONNECTIONS;
    const port = new StartPort(listener, place, progress);
    try {
      listener.listen(place.port, place.host);
      await once(listener, 'listening');
    } catch (error) {
      throw new ListenError(place, error);
    }
    return port;
  }

  /** Gives the socket over: what is returned is for the `listen` of the server that is to have it, which has to follow at once. */
  giveOver(): ListenOptions {
    this.#isOpen = false;
    const { port } = this.listener.address() as AddressInfo;
    const options: ListenOptions = { port, host: this.place.host };
    // Node's `listen` takes the socket of "anything with an underlying _handle"; Fastify copies what it can see of the options for further addresses of
    // `localhost`, which need sockets of their own.
    const { _handle } = this.listener as unknown as { readonly _handle: object };
    return Object.defineProperty(options, '_handle', { value: _handle, enumerable: false });
  }

  /** Stops listening and ends connections; nothing once it is given over. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const closed = once(this.listener, 'close');
    this.listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const SECURITY_HEADERS = securityHeaderList();

function answer(progress: StartProgress, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '/').replace(/\?.*$/s, '');
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (isRead && path === '/health/live') send(request, response, 200, { status: 'ok' });
  else if (isRead && path === '/health/startup') send(request, response, 503, progress.startup);
  else if (isRead && path === '/health/ready') send(request, response, 503, progress.readiness);
  else {
    const problem = problemOf(new ScrollbackError('starting', 'The instance is starting. Nothing was done.'));
    response.setHeader('retry-after', String(retryAfterSeconds(problem)));
    response.setHeader('content-type', 'application/problem+json; charset=utf-8');
    send(request, response, problem.status, problem);
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, body: object): void {
  for (let at = 0; at < SECURITY_HEADERS.length; at += 2) {
    response.setHeader(SECURITY_HEADERS[at]!, SECURITY_HEADERS[at + 1]!);
  }
  response.setHeader(REQUEST_ID_HEADER, requestIdOf(request.headers));
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('connection', 'close');
  response.writeHead(status, STATUS_CODES[status]).end(JSON.stringify(body));
}
