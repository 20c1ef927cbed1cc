import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { errorText } from '../common/error-fields.js';

/** Answers ordinary requests of one kind. */
export interface FastLane {
  /**
   * Takes a request, or does nothing.
   *
   * @param giveBack - lets a request that was taken go the ordinary way after all. Nothing of it may have been done, and its body must be unread.
   * @returns whether it was taken. If not, the request takes the ordinary way, which must come to the same answer. (But for what `CORS_ORIGINS` adds
   * to the answers of requests without an `Origin`: no browser makes such a request to another origin.)
   */
  take(request: IncomingMessage, response: ServerResponse, giveBack: () => void): boolean;
}

/**
 * Lets lanes see requests before the framework does. Routing, hooks, guards, pipes and the reply take three times as long as finding the
 * bytes of a cached page and handing them to the socket, and as long as all that a send costs besides. Whatever is not an ordinary request of those
 * that come all the time goes the ordinary way: checks of input, their errors and misses are written once, there.
 *
 * Closed as soon as the application begins to close, so that connections are ended the ordinary way.
 */
export function openFastLanes(fastify: FastifyInstance, lanes: readonly FastLane[]): void {
  const server = fastify.server as Server;
  const [ordinary, ...others] = server.listeners('request') as [Server['emit'] & RequestListener];
  if (ordinary === undefined || others.length > 0)
    throw new Error('The HTTP server has not the one listener expected.');
  const logger = new Logger('FastLane');
  let isOpen = true;
  fastify.addHook('preClose', (done) => {
    isOpen = false;
    done();
  });
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    const goOrdinaryWay = (): void => {
      ordinary.call(server, request, response);
    };
    try {
      if (isOpen && lanes.some((lane) => lane.take(request, response, goOrdinaryWay))) return;
    } catch (error) {
      logger.error(`A request takes the ordinary way: ${errorText(error)}`);
      if (response.writableEnded) return;
      if (response.headersSent) {
        response.destroy();
        return;
      }
    }
    goOrdinaryWay();
  });
}

type RequestListener = (this: Server, request: IncomingMessage, response: ServerResponse) => void;
