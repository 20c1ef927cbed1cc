import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { collectDefaultMetrics, Histogram, register } from 'prom-client';

/** Starts an application on a free port, with the same metrics of requests as Scrollback, and says where it listens. */
export async function servePeer(module: DynamicModule): Promise<void> {
  const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), { logger: ['error'] });
  const fastify = app.getHttpAdapter().getInstance();
  collectDefaultMetrics();
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from a request’s arrival to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    durations.observe({ method, route: routeOptions.url, status: reply.statusCode }, reply.elapsedTime / 1000);
    done();
  });
  fastify.get('/metrics', async (_request, reply) => reply.type(register.contentType).send(await register.metrics()));
  await app.listen(0, '127.0.0.1');
  process.stdout.write(`Listening on ${await app.getUrl()}\n`);
}
