/** Limits of what callers may send. */
export interface ChatOptions {
  /** Longest text, in bytes of UTF-8. */
  readonly maxTextBytes: number;
}

/** Injection token of {@link ChatOptions}. */
export const CHAT_OPTIONS = Symbol('ChatOptions');
