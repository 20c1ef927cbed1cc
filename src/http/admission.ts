import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { setCallerFinding, type CallerFinding } from '../auth/request-caller.js';
import type { Callers } from '../auth/callers.js';
import type { Admission } from '../limits/rate-limiter.js';
import { rateHeaders, type RequestLimits } from '../limits/request-limits.js';
import { rateLimited, rateRefusalHeaders } from './front-door.js';

/** Routes of the API; the others, which are for operators and readers of the documentation, are not counted. */
const API_PREFIX = '/v1/';

/**
 * Finds out who calls before their body is read, and counts the request against their limit. Those who cannot prove who they are count by their
 * address, and are not even asked for proof any more when there have been too many.
 */
export function admitRequests(
  fastify: FastifyInstance,
  callers: Callers,
  limits: RequestLimits,
  answerError: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void,
): void {
  const refuse = (admission: Admission, request: FastifyRequest, reply: FastifyReply): void => {
    limits.refusals.rate++;
    setHeaders(reply, rateRefusalHeaders(admission, limits));
    answerError(rateLimited(limits), request, reply);
  };
  /** Asks for proof; whoever has none goes on to be told so by the guard, unless the route is for everybody. */
  const admitStranger = async (
    request: FastifyRequest,
    goOn: (admission: Admission | undefined) => void,
    goOnUnknown: () => void,
  ): Promise<void> => {
    const finding = await findCaller(callers, request);
    setCallerFinding(request, finding);
    if ('caller' in finding) {
      goOn(limits.admit(finding.caller, request.ip));
    } else {
      limits.countStranger(request.ip);
      goOnUnknown();
    }
  };
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404 && request.routeOptions.url?.startsWith(API_PREFIX) !== true) {
      done();
      return;
    }
    /** Goes on, unless the request is one too many. */
    const goOn = (admission: Admission | undefined): void => {
      if (admission?.isAdmitted === false) {
        refuse(admission, request, reply);
        return;
      }
      if (admission !== undefined) setHeaders(reply, rateHeaders(admission, limits.rateMax));
      done();
    };
    const caller = callers.recall(request.headers);
    if (caller !== undefined) {
      setCallerFinding(request, { caller });
      goOn(limits.admit(caller, request.ip));
      return;
    }
    const stranger = limits.lookAtStranger(request.ip);
    if (stranger?.isAdmitted === false) {
      goOn(stranger);
      return;
    }
    void admitStranger(request, goOn, done);
  });
}

async function findCaller(callers: Callers, request: FastifyRequest): Promise<CallerFinding> {
  try {
    return { caller: await callers.find(request.headers) };
  } catch (refusal) {
    return { refusal };
  }
}

function setHeaders(reply: FastifyReply, headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) void reply.header(headers[at]!, headers[at + 1]);
}
