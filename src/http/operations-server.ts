import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { errorFields } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { REQUEST_ID_HEADER, requestIdOf } from '../common/request-id.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { Metrics } from '../metrics/metrics.js';
import { settlesWithin } from '../storage/embedded/wait-until.js';
import { answerBrokenRequest } from './broken-request.js';
import { ConnectionDrain } from './connection-drain.js';
import { Refusal } from './refusal.js';
import { securityHeaderList } from './security-headers.js';
import { NO_BARE_ANSWERS, refuseUnmetDemands } from './unmet-demands.js';

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
  readonly #server: Server;
  readonly #drain: ConnectionDrain;
  readonly #headers = securityHeaderList();
  readonly #readOnly = this.#refusal('method_not_allowed', 'Only to be read.');
  readonly #unknown = this.#refusal('route_not_found', 'Here are /metrics and /health alone.');
  readonly #failed = this.#refusal('internal_error', 'Not answered. The log has the details.');

  private constructor(private readonly app: NestFastifyApplication) {
    const limits = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 10,
    };
    this.#server = createServer({ ...limits, ...NO_BARE_ANSWERS }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        new Logger('Operations').error({
          event: 'operations_failed',
          message: 'A probe or a scrape was not answered.',
          ...errorFields(error),
        } satisfies LogEvent);
        if (response.headersSent) response.destroy();
        else this.#failed.answer(request, response);
      });
    });
    this.#server.on('clientError', answerBrokenRequest);
    refuseUnmetDemands(this.#server, this.#headers);
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#drain = new ConnectionDrain(this.#server);
  }

  /** Starts to listen. */
  static async listen(app: NestFastifyApplication, place: ListenOptions): Promise<OperationsServer> {
    const operations = new OperationsServer(app);
    operations.#server.listen(place);
    await once(operations.#server, 'listening');
    return operations;
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Stops listening; what is being asked is answered. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#drain.begin();
    this.#server.close();
    if (!(await settlesWithin(closed, CLOSE_TIMEOUT_MS))) this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').replace(/\?.*$/s, '');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      this.#readOnly.answer(request, response, ['allow', 'GET, HEAD']);
    } else if (path === '/metrics') {
      const { registry } = this.app.get(Metrics);
      this.#send(request, response, 200, registry.contentType, await registry.metrics());
    } else if (PROBE.test(path)) {
      // The checks live in the application: it is asked, so that both ports say the same; without a connection, as there may be none left.
      const checked = await this.app.inject({ method: 'GET', url: path });
      const type = String(checked.headers['content-type'] ?? 'application/json');
      this.#send(request, response, checked.statusCode, type, checked.body);
    } else {
      this.#unknown.answer(request, response);
    }
  }

  #send(request: IncomingMessage, response: ServerResponse, status: number, type: string, body: string): void {
    const length = String(Buffer.byteLength(body));
    const head = [...this.#headers, 'content-type', type, 'content-length', length];
    response.writeHead(status, [...head, REQUEST_ID_HEADER, requestIdOf(request.headers)]).end(body);
  }

  #refusal(code: 'method_not_allowed' | 'route_not_found' | 'internal_error', detail: string): Refusal {
    return new Refusal(new ScrollbackError(code, detail), this.#headers);
  }
}
