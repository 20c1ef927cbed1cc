import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../auth/caller.js';
import { setCallerFinding, type CallerFinding } from '../auth/request-caller.js';
import type { Callers } from '../auth/callers.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import type { Admission } from '../limits/rate-limiter.js';
import { rateHeaders, type RequestLimits } from '../limits/request-limits.js';
import { setHeaders } from './answer.js';
import { rateLimited, rateRefusalHeaders } from './front-door.js';

/** Routes of the API; the others, which are for operators and readers of the documentation, are open to all, but for the metrics. */
const API_PREFIX = '/v1/';

/**
 * Finds out who calls before their body is read, and counts the request against their limit. Failures to prove who one is count against the address
 * they come from: after too many, nobody from there is asked for proof any more. Who is known already, or has the key of a service, is let in all the same.
 */
export function admitRequests(
  fastify: FastifyInstance,
  callers: Callers,
  limits: RequestLimits,
  answerError: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void,
): void {
  const admit = (caller: Caller, request: FastifyRequest): Admission | undefined => {
    // Who watches an instance must see that it is flooded.
    if (isMetrics(request) && caller.type === 'service') return undefined;
    return limits.admittedBefore(request.raw) ?? limits.admit(caller, request.ip);
  };
  fastify.addHook('onRequest', (request, reply, done) => {
    const isGuarded = request.routeOptions.url?.startsWith(API_PREFIX) === true || isMetrics(request);
    if (!request.is404 && !isGuarded) {
      done();
      return;
    }
    const refuse = (admission: Admission): void => {
      limits.refusals.rate++;
      setHeaders(reply, rateRefusalHeaders(admission, limits));
      answerError(rateLimited(limits), request, reply);
    };
    /** Goes on, unless the request is one too many, or of nobody. */
    const goOn = (finding: CallerFinding, admission?: Admission): void => {
      setCallerFinding(request, finding);
      if (admission?.isAdmitted === false) {
        refuse(admission);
        return;
      }
      if (admission !== undefined) setHeaders(reply, rateHeaders(admission, limits.rateMax));
      if ('refusal' in finding && !request.is404) answerError(finding.refusal, request, reply);
      else done();
    };
    /** Goes on for somebody who has proved who they are, and whose request counts whoever they want to act for. */
    const actAs = (proven: Caller): void => {
      const finding = findingOf(() => callers.act(proven, request.headers));
      goOn(finding, admit('caller' in finding ? finding.caller : proven, request));
    };
    const known = callers.recallProof(request.headers);
    if (known !== undefined) {
      actAs(known);
      return;
    }
    void prove(callers, limits, request).then((proof) => {
      if ('isAdmitted' in proof) refuse(proof);
      else if ('caller' in proof) actAs(proof.caller);
      // Whoever has no proof is told so before their body is read.
      else goOn(proof);
    });
  });
}

/** Whether somebody has not proved who they are. That it cannot be judged now is no fault of theirs. */
function isFailure(refusal: unknown): boolean {
  return refusal instanceof ScrollbackError && refusal.code === 'unauthenticated';
}

function isMetrics(request: FastifyRequest): boolean {
  return request.routeOptions.url === '/metrics';
}

/** Finds out who somebody is, unless too many from their address have failed to prove it. */
async function prove(
  callers: Callers,
  limits: RequestLimits,
  request: FastifyRequest,
): Promise<CallerFinding | Admission> {
  // A good key need not wait for an address that others share.
  const isWaiting = !callers.hasKey(request.headers);
  const refusal = isWaiting ? await limits.beginProof(request.ip) : undefined;
  if (refusal !== undefined) return refusal;
  const proof = await attempt(() => callers.prove(request.headers));
  if (isWaiting) limits.endProof(request.ip, 'refusal' in proof && isFailure(proof.refusal));
  return proof;
}

async function attempt(find: () => Promise<Caller>): Promise<CallerFinding> {
  try {
    return { caller: await find() };
  } catch (refusal) {
    return { refusal };
  }
}

function findingOf(find: () => Caller): CallerFinding {
  try {
    return { caller: find() };
  } catch (refusal) {
    return { refusal };
  }
}
