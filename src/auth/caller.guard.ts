import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { createHash, timingSafeEqual } from 'node:crypto';
import { createParamDecorator, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { invalidField, ScrollbackError } from '../common/scrollback-error.js';
import { AUTH_OPTIONS, type AuthOptions } from './auth-options.js';
import type { Caller } from './caller.js';
import { KnownCredentials } from './known-credentials.js';
import { PUBLIC_ROUTE } from './public-route.js';
import { SERVICES_ONLY } from './services-only.js';
import { isUserId } from './user-id.js';
import { UserTokens } from './user-tokens.js';

const CALLER = Symbol('caller');

/** A service that acts for nobody. */
const SERVICE: Caller = { type: 'service', userId: undefined };

/** User ids that are right at first sight; others are looked at more closely. */
const PLAIN_USER_ID = /^[\x21-\x7e]{1,128}$/;

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
  readonly #tokens: UserTokens | undefined;
  readonly #known = new KnownCredentials();

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly reflector: Reflector,
  ) {
    this.#digests = options.keys.map((key) => Buffer.from(key.slice(key.indexOf(':') + 1), 'hex'));
    this.#tokens = options.tokens === undefined ? undefined : new UserTokens(options.tokens);
  }

  /**
   * @throws ScrollbackError `unauthenticated` without a good key or token, `token_keys_unavailable` when that cannot be found out,
   *   `forbidden` for a user where services alone may be or who names another user, `invalid_input` for a bad `X-User-Id`.
   */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, targets) === true) return true;
    const request = context.switchToHttp().getRequest<CalledRequest>();
    const { authorization } = request.headers;
    const caller = this.options.isOpen
      ? SERVICE
      : (this.#known.find(authorization ?? '') ?? (await this.#identify(authorization)));
    if (caller.type === 'user' && this.reflector.getAllAndOverride(SERVICES_ONLY, targets) === true) {
      throw new ScrollbackError('forbidden', 'This is for services.');
    }
    request[CALLER] = { ...actFor(caller, request.headers['x-user-id']), requestId: request.id };
    return true;
  }

  /**
   * The caller of a request whose credentials have been found good before, without finding out again. `undefined` says nothing:
   * {@link canActivate} decides.
   */
  recall(headers: IncomingHttpHeaders): Caller | undefined {
    const caller = this.options.isOpen ? SERVICE : this.#known.find(headers.authorization ?? '');
    const userId = headers['x-user-id'];
    if (caller === undefined || userId === undefined) return caller;
    if (caller.type === 'user') return undefined;
    return PLAIN_USER_ID.test(String(userId)) ? { type: 'service', userId: String(userId) } : undefined;
  }

  async #identify(authorization: string | undefined): Promise<Caller> {
    const credential = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (credential === undefined) {
      throw new ScrollbackError('unauthenticated', 'Send a key or a token: Authorization: Bearer <key or token>.');
    }
    if (this.#isKey(credential)) {
      this.#known.add(authorization!, SERVICE, Infinity);
      return SERVICE;
    }
    if (this.#tokens === undefined || !UserTokens.looksLike(credential)) {
      throw new ScrollbackError('unauthenticated', 'The key is not known.');
    }
    const { userId, expiresAtMs } = await this.#tokens.verify(credential);
    const caller: Caller = { type: 'user', userId };
    this.#known.add(authorization!, caller, expiresAtMs);
    return caller;
  }

  #isKey(credential: string): boolean {
    const digest = createHash('sha256').update(credential).digest();
    // Every key is compared, so that the time taken tells nothing about which one was near.
    return this.#digests.filter((known) => timingSafeEqual(known, digest)).length > 0;
  }
}

/** A service may act for any user, a user for themselves alone. */
function actFor(caller: Caller, header: string | string[] | undefined): Caller {
  if (header === undefined) return caller;
  const userId = readUserId(header);
  if (caller.type === 'service') return { type: 'service', userId };
  if (caller.userId !== userId) throw new ScrollbackError('forbidden', 'A token acts for its own user alone.');
  return caller;
}

/** Header values come as Latin-1; user ids are UTF-8. */
function readUserId(header: string | string[]): string {
  const bytes = Buffer.from(String(header), 'latin1');
  const userId = bytes.toString('utf8');
  if (!isUtf8(bytes) || !isUserId(userId)) {
    throw invalidField('X-User-Id', 'must be 1 to 128 characters of UTF-8 without control characters');
  }
  return userId;
}
