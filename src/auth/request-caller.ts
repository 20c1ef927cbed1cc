import type { FastifyRequest } from 'fastify';
import type { Caller } from './caller.js';

const FINDING = Symbol('who calls');

/** What was found out about who calls: the caller, or why there is none. */
export type CallerFinding = { readonly caller: Caller } | { readonly refusal: unknown };

interface FoundRequest extends FastifyRequest {
  [FINDING]?: CallerFinding;
}

/** Keeps with a request what was found out about who calls. */
export function setCallerFinding(request: FastifyRequest, finding: CallerFinding): void {
  (request as FoundRequest)[FINDING] = finding;
}

/** What was found out about who calls; `undefined`: nobody has looked. */
export function callerFindingOf(request: FastifyRequest): CallerFinding | undefined {
  return (request as FoundRequest)[FINDING];
}
