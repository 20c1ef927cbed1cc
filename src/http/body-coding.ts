import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ScrollbackError } from '../common/scrollback-error.js';

/** Bodies of these are not read. */
const WITHOUT_BODY = ['GET', 'HEAD'];

/** The parameter of a `Content-Type` that names a character set. */
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/i;

/**
 * Refuses bodies that are not what they would be read as: compressed ones, which would be said to be broken JSON, and those in another character set
 * than UTF-8, which might be read as other text than was sent. After it is known who calls, and before the body is read.
 */
export function refuseCodedBodies(fastify: FastifyInstance): void {
  fastify.addHook('preParsing', (request, reply, payload, done) => {
    if (WITHOUT_BODY.includes(request.method) || !hasBody(request)) {
      done(null, payload);
      return;
    }
    const coding = codingOf(request.headers['content-encoding']);
    const charset = CHARSET.exec(request.headers['content-type'] ?? '')?.[1];
    if (coding !== undefined) {
      void reply.header('accept-encoding', 'identity');
      done(unsupported('Bodies are taken as they are: send no Content-Encoding.'));
    } else if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
      done(unsupported('Bodies are taken in UTF-8: send no other charset.'));
    } else {
      done(null, payload);
    }
  });
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The first coding of a body that changes it. */
function codingOf(header: string | undefined): string | undefined {
  const codings = (header ?? '').split(',').map((coding) => coding.trim().toLowerCase());
  return codings.find((coding) => coding !== '' && coding !== 'identity');
}

function unsupported(detail: string): ScrollbackError {
  return new ScrollbackError('unsupported_media_type', detail);
}
