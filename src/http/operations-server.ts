import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Metrics } from '../metrics/metrics.js';

/**
 * `/metrics` and `/health` on a port of their own, for operators who keep them off the public one.
 */
export class OperationsServer {
  private constructor(private readonly server: Server) {}

  /** Starts to listen. */
  static async listen(app: NestFastifyApplication, port: number, host: string): Promise<OperationsServer> {
    const server = createServer((request, response) => {
      answer(app, request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else response.writeHead(503, { 'content-type': 'text/plain' }).end(`Not answered: ${String(error)}\n`);
      });
    });
    server.listen(port, host);
    await once(server, 'listening');
    return new OperationsServer(server);
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Stops listening. */
  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

async function answer(app: NestFastifyApplication, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '/';
  if (path === '/metrics') {
    const { registry } = app.get(Metrics);
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
  } else if (path.startsWith('/health/')) {
    // The checks live in the application: it is asked, so that both ports say the same; without a connection, as there may be none left.
    const checked = await app.inject({ method: 'GET', url: path });
    const type = String(checked.headers['content-type'] ?? 'application/json');
    response.writeHead(checked.statusCode, { 'content-type': type }).end(checked.body);
  } else {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('Here are /metrics and /health alone.\n');
  }
}
