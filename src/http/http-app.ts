import type { IncomingMessage, Server } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { type DynamicModule, type LoggerService } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Callers } from '../auth/callers.js';
import { MessageCache } from '../cache/message-cache.js';
import { PageLane } from '../chat/page-lane.js';
import { SendLane } from '../chat/send-lane.js';
import { Sending } from '../chat/sending.js';
import { RequestLimits } from '../limits/request-limits.js';
import { WAITING_ANSWERS } from '../limits/waiting-answers.js';
import { Metrics } from '../metrics/metrics.js';
import { invalidField } from '../common/scrollback-error.js';
import { REQUEST_ID_HEADER, requestIdOf } from '../common/request-id.js';
import { admitRequests } from './admission.js';
import { answerBrokenRequest } from './broken-request.js';
import { EXPOSED_HEADERS, setHeaders } from './answer.js';
import { ConnectionDrain } from './connection-drain.js';
import { refuseCodedBodies } from './body-coding.js';
import { CrossOrigin } from './cross-origin.js';
import { openFastLanes } from './fast-lane.js';
import { parseJsonBody } from './json-body.js';
import { guardFrontDoor } from './front-door.js';
import { serveOpenApi } from './openapi.js';
import { ProblemFilter } from './problem.filter.js';
import { watchRequests } from './request-watch.js';
import { SlowRequests } from './slow-requests.js';
import { SECURITY_HEADERS, securityHeaderList } from './security-headers.js';
import { NO_BARE_ANSWERS, refuseUnmetDemands } from './unmet-demands.js';

/** Longest path parameter after decoding: 128 characters of a user id are up to 512 bytes, percent-encoded three times that. */
const MAX_PARAM_LENGTH = 1600;

/**
 * A request has to come to its end in this time. Too low and slow phones cannot send; too high and a sender who stops half-way
 * holds up a shutdown past its limit.
 */
const REQUEST_TIMEOUT_MS = 15_000;

/**
 * A connection on which nothing moves for so long is closed, also one whose answers nobody reads. Above the time that keep-alive connections rest
 * for, and that the slowest statement may take.
 */
const SILENCE_MS = 80_000;

/** Methods of the API, for browsers that ask. */
const CORS_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** How the HTTP side of the application behaves. */
export interface HttpAppOptions {
  /** Largest body, in bytes. */
  readonly maxBodyBytes: number;
  readonly logger: LoggerService;
  /** A request that takes so long is named in the log, in milliseconds; 0: none is. */
  readonly slowRequestMs: number;
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Origins whose pages may call the API from browsers. */
  readonly corsOrigins: readonly string[];
  /** Open connections; more are closed as they come. */
  readonly maxConnections: number;
}

/** Builds the Nest application on Fastify: JSON bodies, problems, metrics of requests, the OpenAPI document. */
export async function createHttpApp(module: DynamicModule, options: HttpAppOptions): Promise<NestFastifyApplication> {
  const headers = securityHeaderList();
  const adapter = new FastifyAdapter({
    // While closing, what comes on open connections is answered, and told to close the connection.
    return503OnClosing: false,
    bodyLimit: options.maxBodyBytes,
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_MS,
    // Where headers have longer than the request as a whole, Node lets a body take for ever; and Fastify sets the one alone.
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 10,
      ...NO_BARE_ANSWERS,
    },
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    genReqId: (request: IncomingMessage) => requestIdOf(request.headers),
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      // Such requests pass no hook.
      setHeaders(reply, headers);
      filter.answer(error, request, reply);
    },
  });
  const filter = new ProblemFilter();
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    bufferLogs: false,
    logger: options.logger,
    abortOnError: false,
  });
  const fastify = adapter.getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header(REQUEST_ID_HEADER, request.id);
    const query = request.url.indexOf('?');
    const isBroken = query !== -1 && request.url.includes('%', query) && !isDecodable(request.url.slice(query + 1));
    done(isBroken ? invalidField('query', 'is not percent-encoded UTF-8') : undefined);
  });
  const limits = app.get(RequestLimits);
  fastify.decorate(WAITING_ANSWERS, limits.answers);
  fastify.addHook('onSend', (request, reply, payload, done) => {
    limits.answers.add(reply.raw, request.raw, lengthOf(payload));
    // What browsers ask before a page may ask is answered before the hooks that set headers.
    if (!reply.hasHeader(REQUEST_ID_HEADER)) setHeaders(reply, [...headers, REQUEST_ID_HEADER, request.id]);
    done();
  });
  const metrics = app.get(Metrics);
  const callers = app.get(Callers);
  const slow = new SlowRequests(options.slowRequestMs);
  watchRequests(fastify, metrics, slow);
  app.useSecurityHeaders(SECURITY_HEADERS);
  if (options.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...options.corsOrigins],
      methods: CORS_METHODS,
      exposedHeaders: EXPOSED_HEADERS,
      // Else OPTIONS that no browser has sent is refused with a text that is no problem.
      strictPreflight: false,
    });
  }
  admitRequests(fastify, callers, limits, (error, request, reply) => filter.answer(error, request, reply));
  refuseCodedBodies(fastify);
  serveOpenApi(app);
  const pages = new PageLane(app.get(MessageCache), callers, limits, metrics, headers);
  const { maxBodyBytes } = options;
  const sends = new SendLane(app.get(Sending), callers, limits, metrics, slow, { maxBodyBytes, headers });
  openFastLanes(fastify, [pages, sends]);
  const server = fastify.server as Server;
  const crossOrigin = new CrossOrigin(options.corsOrigins);
  guardFrontDoor(server, callers, limits, headers, crossOrigin);
  refuseUnmetDemands(server, headers, (request) => crossOrigin.headersFor(request));
  endConnectionsOnClose(fastify);
  fastify.server.maxConnections = options.maxConnections;
  return app;
}

/** Bytes of an answer; 0 of one that is a stream, which holds up no more than it has just read. */
function lengthOf(payload: unknown): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
}

function endConnectionsOnClose(fastify: FastifyInstance): void {
  const drain = new ConnectionDrain(fastify.server as Server);
  fastify.addHook('preClose', (done) => {
    drain.begin();
    done();
  });
}

function isDecodable(query: string): boolean {
  try {
    decodeURIComponent(query);
    return true;
  } catch {
    return false;
  }
}
