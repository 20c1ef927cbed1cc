import { isUtf8 } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { invalidField, ScrollbackError } from '../common/scrollback-error.js';
import { AUTH_OPTIONS, type AuthOptions } from './auth-options.js';
import { actingFor, type Caller } from './caller.js';
import { KnownCredentials } from './known-credentials.js';
import { isUserId } from './user-id.js';
import { UserTokens } from './user-tokens.js';

/** Everybody, where nobody has to prove anything: a service that acts for nobody. */
const ANYBODY: Caller = { type: 'service', userId: undefined };

/** User ids that are right at first sight; others are looked at more closely. */
const PLAIN_USER_ID = /^[\x21-\x7e]{1,128}$/;

/** A configured key: its name and its SHA-256. */
interface ServiceKey {
  readonly caller: Caller;
  readonly digest: Buffer;
}

/** Finds out who calls, by the headers of a request. */
@Injectable()
export class Callers {
  readonly #keys: readonly ServiceKey[];
  readonly #tokens: UserTokens | undefined;
  readonly #known = new KnownCredentials();

  constructor(@Inject(AUTH_OPTIONS) private readonly options: AuthOptions) {
    this.#keys = options.keys.map((key) => {
      const [name, digest] = key.split(':') as [string, string];
      return { caller: { type: 'service', userId: undefined, keyName: name }, digest: Buffer.from(digest, 'hex') };
    });
    this.#tokens = options.tokens === undefined ? undefined : new UserTokens(options.tokens);
  }

  /**
   * The caller of a request whose credentials have been found good before, without finding out again. `undefined` says nothing:
   * {@link find} decides. O(1).
   */
  recall(headers: IncomingHttpHeaders): Caller | undefined {
    const caller = this.#recall(headers.authorization);
    const userId = headers['x-user-id'];
    if (caller === undefined || userId === undefined) return caller;
    if (caller.type === 'user') return undefined;
    return PLAIN_USER_ID.test(String(userId)) ? actingFor(String(userId), caller) : undefined;
  }

  /**
   * The caller of a request.
   *
   * @throws ScrollbackError `unauthenticated` without a good key or token, `token_keys_unavailable` when that cannot be found out,
   *   `forbidden` for a user who names another, `invalid_input` for a bad `X-User-Id`.
   */
  async find(headers: IncomingHttpHeaders): Promise<Caller> {
    return this.act(await this.prove(headers), headers);
  }

  /** Whom the credentials of a request are known to stand for, whoever it wants to act for; `undefined`: {@link prove} finds out. O(1). */
  recallProof(headers: IncomingHttpHeaders): Caller | undefined {
    return this.#recall(headers.authorization);
  }

  /**
   * Whom the credentials of a request stand for.
   *
   * @throws ScrollbackError `unauthenticated` and `token_keys_unavailable`, as {@link find}.
   */
  async prove(headers: IncomingHttpHeaders): Promise<Caller> {
    return this.#recall(headers.authorization) ?? (await this.#identify(headers.authorization));
  }

  /**
   * Who has proved who they are, acting for whom the request names.
   *
   * @throws ScrollbackError `forbidden` and `invalid_input`, as {@link find}.
   */
  act(proven: Caller, headers: IncomingHttpHeaders): Caller {
    return actFor(proven, headers['x-user-id']);
  }

  /** Whether a request has the key of a service. Costs one SHA-256, and no more when it has none. */
  hasKey(headers: IncomingHttpHeaders): boolean {
    const credential = credentialOf(headers.authorization);
    return credential !== undefined && this.#serviceOf(credential) !== undefined;
  }

  #recall(authorization: string | undefined): Caller | undefined {
    return this.options.isOpen ? ANYBODY : this.#known.find(authorization ?? '');
  }

  async #identify(authorization: string | undefined): Promise<Caller> {
    const credential = credentialOf(authorization);
    if (credential === undefined) {
      throw new ScrollbackError('unauthenticated', 'Send a key or a token: Authorization: Bearer <key or token>.');
    }
    const service = this.#serviceOf(credential);
    if (service !== undefined) {
      this.#remember(credential, authorization!, service, Infinity);
      return service;
    }
    if (this.#tokens === undefined || !UserTokens.looksLike(credential)) {
      throw new ScrollbackError('unauthenticated', 'The key is not known.');
    }
    const { userId, expiresAtMs } = await this.#tokens.verify(credential);
    const caller: Caller = { type: 'user', userId };
    this.#remember(credential, authorization!, caller, expiresAtMs);
    return caller;
  }

  /** Of the many ways to write a credential down, only the usual one is remembered: the others would take the room of other callers. */
  #remember(credential: string, authorization: string, caller: Caller, untilMs: number): void {
    if (authorization === `Bearer ${credential}`) this.#known.add(authorization, caller, untilMs);
  }

  #serviceOf(credential: string): Caller | undefined {
    const digest = createHash('sha256').update(credential).digest();
    // Every key is compared, so that the time taken tells nothing about which one was near.
    return this.#keys.filter((key) => timingSafeEqual(key.digest, digest))[0]?.caller;
  }
}

function credentialOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}

/** A service may act for any user, a user for themselves alone. */
function actFor(caller: Caller, header: string | string[] | undefined): Caller {
  if (header === undefined) return caller;
  const userId = PLAIN_USER_ID.test(String(header)) ? String(header) : readUserId(header);
  if (caller.type === 'service') return actingFor(userId, caller);
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
