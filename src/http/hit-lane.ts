import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { errorText } from '../common/error-fields.js';

/** Answers requests that need nothing but memory. */
export interface HitLane {
  /**
   * Answers a request, or does nothing.
   *
   * @returns whether it was answered. If not, the request takes the ordinary way, which must come to the same answer.
   */
  answer(request: IncomingMessage, response: ServerResponse): boolean;
}

/**
 * Lets a lane see requests before the framework does. A cached page costs the framework more than it costs the cache: routing, hooks,
 * guards, pipes and the reply take three times as long as finding the bytes and handing them to the socket. Whatever is not an
 * ordinary request for something that is held goes the ordinary way: errors, checks of input and misses are written once, there.
 *
 * Closed as soon as the application begins to close, so that connections are ended the ordinary way.
 */
export function openHitLane(fastify: FastifyInstance, lane: HitLane): void {
  const server = fastify.server as Server;
  const [ordinary, ...others] = server.listeners('request') as [Server['emit'] & RequestListener];
  if (ordinary === undefined || others.length > 0)
    throw new Error('The HTTP server has not the one listener expected.');
  const logger = new Logger('HitLane');
  let isOpen = true;
  fastify.addHook('preClose', (done) => {
    isOpen = false;
    done();
  });
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    try {
      if (isOpen && lane.answer(request, response)) return;
    } catch (error) {
      logger.error(`A request takes the ordinary way: ${errorText(error)}`);
      if (response.writableEnded) return;
      if (response.headersSent) {
        response.destroy();
        return;
      }
    }
    ordinary.call(server, request, response);
  });
}

type RequestListener = (this: Server, request: IncomingMessage, response: ServerResponse) => void;
