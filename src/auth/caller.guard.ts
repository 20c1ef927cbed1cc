import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { createHash, timingSafeEqual } from 'node:crypto';
import { createParamDecorator, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { invalidField, ScrollbackError } from '../common/scrollback-error.js';
import { textFault } from '../common/storable-json.js';
import { AUTH_OPTIONS, type AuthOptions } from './auth-options.js';
import type { Caller } from './caller.js';
import { PUBLIC_ROUTE } from './public-route.js';

const CALLER = Symbol('caller');

/** A service that acts for nobody. */
const SERVICE: Caller = { type: 'service', userId: undefined };

/** User ids that are right at first sight; others are looked at more closely. */
const PLAIN_USER_ID = /^[\x21-\x7e]{1,128}$/;

/** Ways of writing good keys that are kept: somebody who has one could write it with any number of spaces. */
const KNOWN_LIMIT = 1000;

interface CalledRequest extends FastifyRequest {
  [CALLER]?: Caller;
}

/** Gives a handler the caller that the guard has found. */
export const FromCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  const caller = context.switchToHttp().getRequest<CalledRequest>()[CALLER];
  if (caller === undefined) throw new ScrollbackError('unauthenticated', 'The route has no caller.');
  return caller;
});

/** Finds out who calls, before any handler of the API runs. */
@Injectable()
export class CallerGuard implements CanActivate {
  readonly #digests: readonly Buffer[];
  /** Values of `Authorization` that hold a good key. Keys do not change while the process runs. */
  readonly #known = new Set<string>();

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly reflector: Reflector,
  ) {
    this.#digests = options.keys.map((key) => Buffer.from(key.slice(key.indexOf(':') + 1), 'hex'));
  }

  /** @throws ScrollbackError `unauthenticated` without a good key, `invalid_input` for a bad `X-User-Id`. */
  canActivate(context: ExecutionContext): boolean {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, targets) === true) return true;
    const request = context.switchToHttp().getRequest<CalledRequest>();
    if (this.options.mode === 'key') this.#requireKey(request.headers.authorization);
    const userId = request.headers['x-user-id'];
    request[CALLER] = { type: 'service', userId: userId === undefined ? undefined : readUserId(userId) };
    return true;
  }

  /**
   * The caller of a request whose credentials have been found good before, without finding out again. `undefined` says nothing:
   * {@link canActivate} decides.
   */
  recall(headers: IncomingHttpHeaders): Caller | undefined {
    if (this.options.mode === 'key' && !this.#known.has(headers.authorization ?? '')) return undefined;
    const userId = headers['x-user-id'];
    if (userId === undefined) return SERVICE;
    return PLAIN_USER_ID.test(String(userId)) ? { type: 'service', userId: String(userId) } : undefined;
  }

  #requireKey(authorization: string | undefined): void {
    const key = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (key === undefined)
      throw new ScrollbackError('unauthenticated', 'Send a service key: Authorization: Bearer <key>.');
    const digest = createHash('sha256').update(key).digest();
    // Every key is compared, so that the time taken tells nothing about which one was near.
    const matches = this.#digests.filter((known) => timingSafeEqual(known, digest));
    if (matches.length === 0) throw new ScrollbackError('unauthenticated', 'The service key is not known.');
    if (this.#known.size < KNOWN_LIMIT) this.#known.add(authorization!);
  }
}

/** Header values come as Latin-1; user ids are UTF-8. */
function readUserId(header: string | string[]): string {
  const bytes = Buffer.from(String(header), 'latin1');
  const userId = bytes.toString('utf8');
  const length = [...userId].length;
  if (!isUtf8(bytes) || length < 1 || length > 128 || textFault(userId) !== undefined || /\p{Cc}/u.test(userId)) {
    throw invalidField('X-User-Id', 'must be 1 to 128 characters of UTF-8 without control characters');
  }
  return userId;
}
