/** How callers prove who they are. */
export interface AuthOptions {
  /** `none`: everybody is a service. `key`: a service key is needed. */
  readonly mode: 'none' | 'key';
  /** Service keys as `name:sha256hex`. */
  readonly keys: readonly string[];
}

/** Injection token of {@link AuthOptions}. */
export const AUTH_OPTIONS = Symbol('AuthOptions');
