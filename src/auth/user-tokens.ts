import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { ScrollbackError } from '../common/scrollback-error.js';
import { isUserId } from './user-id.js';

/** How tokens of users are verified. */
export interface TokenOptions {
  /** What signs them: a secret shared with whoever issues them (HS256), or the address of public keys. */
  readonly keys: { readonly secret: string } | { readonly jwksUrl: string };
  /** Who has to have issued them, `iss`; `undefined`: anybody who can sign. */
  readonly issuer: string | undefined;
  /** Whom they have to be for, `aud`; `undefined`: anybody. */
  readonly audience: string | undefined;
}

/** What a good token says. */
export interface VerifiedToken {
  readonly userId: string;
  /** When it ends to be good, in milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** Of a set of public keys, these alone: with HS256 among them a public key could be taken for a secret. */
const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Clocks of who issues tokens and of this machine may differ by so much. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** Tokens that say who somebody is are below 2 KB. */
const MAX_TOKEN_LENGTH = 8192;

/** Fetching the public keys gives up after this long. */
const FETCH_TIMEOUT_MS = 3000;

/** A token with an unknown key has the set fetched again, not more often than this: strangers can make up key ids. */
const FETCH_COOLDOWN_MS = 10_000;

/** The set is fetched again when it is older, so that a key that was taken out of it is no longer good. */
const KEYS_MAX_AGE_MS = 600_000;

/** Verifies tokens of users: JSON Web Tokens (RFC 7519), as RFC 8725 recommends. */
export class UserTokens {
  readonly #key: Uint8Array | JWTVerifyGetKey;
  readonly #algorithms: string[];

  constructor(private readonly options: TokenOptions) {
    const { keys } = options;
    if ('secret' in keys) {
      this.#key = new TextEncoder().encode(keys.secret);
      this.#algorithms = ['HS256'];
    } else {
      this.#key = remoteKeys(new URL(keys.jwksUrl));
      this.#algorithms = ASYMMETRIC;
    }
  }

  /** Whether a credential has the form of a token, good or not. */
  static looksLike(credential: string): boolean {
    return /^[\w-]+\.[\w-]*\.[\w-]*$/.test(credential);
  }

  /**
   * Verifies a token: signature, algorithm, `exp` (which it must have), `nbf`, issuer and audience; `sub` is the user.
   *
   * @throws ScrollbackError `unauthenticated` when it is not good, `token_keys_unavailable` when the public keys cannot be fetched.
   */
  async verify(token: string): Promise<VerifiedToken> {
    if (token.length > MAX_TOKEN_LENGTH) throw refusal('The token is too long.');
    const { sub, exp } = await this.#payloadOf(token);
    if (!isUserId(sub)) throw refusal('The token names no user that can be one: sub must be 1 to 128 characters.');
    return { userId: sub, expiresAtMs: exp! * 1000 };
  }

  async #payloadOf(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.options;
    const rules = {
      algorithms: this.#algorithms,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'sub'],
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
    try {
      return await this.#verifyBy(token, rules);
    } catch (error) {
      if (error instanceof ScrollbackError) throw error;
      // Whatever else stops it lies in the token: a broken part may throw anything.
      throw refusal(`The token is not good: ${reasonOf(error)}.`);
    }
  }

  async #verifyBy(token: string, rules: JWTVerifyOptions): Promise<JWTPayload> {
    const key = this.#key;
    if (typeof key !== 'function') return (await jwtVerify(token, key, rules)).payload;
    try {
      return (await jwtVerify(token, key, rules)).payload;
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) return verifyByAny(token, error, rules);
      throw error;
    }
  }
}

/** Verifies a token that does not say which of several keys of the set has signed it, by each of them. */
async function verifyByAny(
  token: string,
  keys: errors.JWKSMultipleMatchingKeys,
  rules: JWTVerifyOptions,
): Promise<JWTPayload> {
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, rules)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** Fetches the set of public keys. While it cannot be fetched, the last one stands, and it is tried again every {@link FETCH_COOLDOWN_MS}. */
function remoteKeys(url: URL): JWTVerifyGetKey {
  const find = createRemoteJWKSet(url, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: FETCH_COOLDOWN_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
  });
  let failedAtMs = -Infinity;
  return async (header, token) => {
    if (Date.now() >= failedAtMs + FETCH_COOLDOWN_MS || Date.now() < failedAtMs) {
      try {
        return await find(header, token);
      } catch (error) {
        if (isOfToken(error)) throw error;
        failedAtMs = Date.now();
      }
    }
    try {
      const kept = find.jwks();
      if (kept !== undefined) return await createLocalJWKSet(kept)(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      // It may be a new key, which the set that cannot be fetched would have.
    }
    throw new ScrollbackError('token_keys_unavailable', 'The keys that tokens are signed with cannot be fetched.');
  };
}

function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

/** What is wrong, in words that tell nothing of keys. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `its claim ${error.claim} does not hold`;
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not allowed';
  if (error instanceof errors.JWKSNoMatchingKey) return 'its key is not known';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature does not verify';
  return 'it cannot be read';
}

function refusal(detail: string): ScrollbackError {
  return new ScrollbackError('unauthenticated', detail);
}
