import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { ScrollbackError } from '../common/scrollback-error.js';
import { withRequestId, type Caller } from './caller.js';
import { Callers } from './callers.js';
import { PUBLIC_ROUTE } from './public-route.js';
import { callerFindingOf, setCallerFinding, type CallerFinding } from './request-caller.js';
import { SERVICES_ONLY } from './services-only.js';

/** Gives a handler the caller that the guard has let in. */
export const FromCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  const finding = callerFindingOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (finding === undefined || !('caller' in finding)) {
    throw new ScrollbackError('unauthenticated', 'The route has no caller.');
  }
  return finding.caller;
});

/** Lets nobody reach a handler of the API who may not call it at all. What they may do in a chat is asked where it is done. */
@Injectable()
export class CallerGuard implements CanActivate {
  constructor(
    private readonly callers: Callers,
    private readonly reflector: Reflector,
  ) {}

  /**
   * @throws ScrollbackError as {@link Callers.find} does, and `forbidden` for a user where services alone may be.
   */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, targets) === true) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const isForServices = this.reflector.getAllAndOverride<boolean | undefined>(SERVICES_ONLY, targets) === true;
    // Found out before the body was read: what is known needs no promise.
    const finding = callerFindingOf(request);
    if (finding !== undefined) return letIn(request, finding, isForServices);
    return this.callers.find(request.headers).then((caller) => letIn(request, { caller }, isForServices));
  }
}

function letIn(request: FastifyRequest, finding: CallerFinding, isForServices: boolean): true {
  if ('refusal' in finding) throw finding.refusal;
  if (finding.caller.type === 'user' && isForServices) throw new ScrollbackError('forbidden', 'This is for services.');
  setCallerFinding(request, { caller: withRequestId(finding.caller, request.id) });
  return true;
}
