import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../auth/caller.js';
import { setCallerFinding, type CallerFinding } from '../auth/request-caller.js';
import type { Callers } from '../auth/callers.js';
import type { Admission } from '../limits/rate-limiter.js';
import { rateHeaders, type RequestLimits } from '../limits/request-limits.js';
import { rateLimited, rateRefusalHeaders } from './front-door.js';

/** Routes of the API; the others, which are for operators and readers of the documentation, are open to all, but for the metrics. */
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
  const admit = (caller: Caller, request: FastifyRequest): Admission | undefined => {
    // Who watches an instance must see that it is flooded.
    if (isMetrics(request) && caller.type === 'service') return undefined;
    return limits.admit(caller, request.ip);
  };
  /** Asks for proof. Whoever has none is told so before their body is read. */
  const admitStranger = async (
    request: FastifyRequest,
    reply: FastifyReply,
    goOn: (admission: Admission | undefined) => void,
  ): Promise<void> => {
    const finding = await findCaller(callers, request);
    setCallerFinding(request, finding);
    if ('caller' in finding) {
      limits.forgiveStranger(request.ip);
      goOn(admit(finding.caller, request));
    } else if (request.is404) {
      goOn(undefined);
    } else {
      answerError(finding.refusal, request, reply);
    }
  };
  fastify.addHook('onRequest', (request, reply, done) => {
    const isGuarded = request.routeOptions.url?.startsWith(API_PREFIX) === true || isMetrics(request);
    if (!request.is404 && !isGuarded) {
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
      goOn(admit(caller, request));
      return;
    }
    // Counted before it is looked at, since many may come at once; a good key need not wait for an address that others share.
    const stranger = limits.admitStranger(request.ip);
    if (stranger?.isAdmitted === false && !callers.hasKey(request.headers)) {
      goOn(stranger);
      return;
    }
    void admitStranger(request, reply, goOn);
  });
}

function isMetrics(request: FastifyRequest): boolean {
  return request.routeOptions.url === '/metrics';
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
