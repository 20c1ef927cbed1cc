import type { TokenOptions } from './user-tokens.js';

/** How callers prove who they are. */
export interface AuthOptions {
  /** Whether nobody has to prove anything: everybody is a service. */
  readonly isOpen: boolean;
  /** Service keys as `name:sha256hex`; any of them is good. */
  readonly keys: readonly string[];
  /** How tokens of users are verified; `undefined`: there are none. */
  readonly tokens: TokenOptions | undefined;
}

/** Injection token of {@link AuthOptions}. */
export const AUTH_OPTIONS = Symbol('AuthOptions');
