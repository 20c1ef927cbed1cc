import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { errorFields } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { settlesWithin } from '../storage/embedded/wait-until.js';
import { Metrics } from '../metrics/metrics.js';
import { ConnectionDrain } from './connection-drain.js';
import { securityHeaderList } from './security-headers.js';

/** What is asked of the application; nothing else of it can be reached by this port. */
const PROBE = /^\/health\/(live|ready|startup)$/;

/** A request has to come to its end in this time. */
const REQUEST_TIMEOUT_MS = 15_000;

/** Probes and scrapes are few; more connections are closed as they come. */
const MAX_CONNECTIONS = 1000;

/** What is being asked when it closes gets its answer in this time: a scrape takes less, and who takes longer does not hold up the end. */
const CLOSE_TIMEOUT_MS = 2000;

/**
 * `/metrics` and `/health` on a port of their own, for operators who keep them off the public one.
 */
export class OperationsServer {
  readonly #drain: ConnectionDrain;

  private constructor(private readonly server: Server) {
    this.#drain = new ConnectionDrain(server);
  }

  /** Starts to listen. */
  static async listen(app: NestFastifyApplication, place: ListenOptions): Promise<OperationsServer> {
    const headers = securityHeaderList();
    const limits = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 10,
    };
    const server = createServer(limits, (request, response) => {
      for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at]!, headers[at + 1]!);
      answer(app, request, response).catch((error: unknown) => {
        new Logger('Operations').error({
          event: 'operations_failed',
          message: 'A probe or a scrape was not answered.',
          ...errorFields(error),
        } satisfies LogEvent);
        if (response.headersSent) response.destroy();
        else response.writeHead(503, { 'content-type': 'text/plain' }).end('Not answered; the log says why.\n');
      });
    });
    server.maxConnections = MAX_CONNECTIONS;
    const operations = new OperationsServer(server);
    server.listen(place);
    await once(server, 'listening');
    return operations;
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Stops listening; what is being asked is answered. */
  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.#drain.begin();
    this.server.close();
    if (!(await settlesWithin(closed, CLOSE_TIMEOUT_MS))) this.server.closeAllConnections();
    await closed;
  }
}

async function answer(app: NestFastifyApplication, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').replace(/\?.*$/s, '');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { 'content-type': 'text/plain', allow: 'GET, HEAD' }).end('Only to be read.\n');
  } else if (path === '/metrics') {
    const { registry } = app.get(Metrics);
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
  } else if (PROBE.test(path)) {
    // The checks live in the application: it is asked, so that both ports say the same; without a connection, as there may be none left.
    const checked = await app.inject({ method: 'GET', url: path });
    const type = String(checked.headers['content-type'] ?? 'application/json');
    response.writeHead(checked.statusCode, { 'content-type': type }).end(checked.body);
  } else {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('Here are /metrics and /health alone.\n');
  }
}
