/** What bounds the requests that an instance takes. */
export interface LimitsOptions {
  /** Requests of one caller in a window; 0: any number. */
  readonly rateMax: number;
  /** Length of a window, in milliseconds. */
  readonly rateWindowMs: number;
  /** Redis, by which several instances count together; `undefined`: each counts for itself. */
  readonly redisUrl: string | undefined;
  /** Whether an address is what a proxy says, and not that of the connection. */
  readonly countsForwardedAddresses: boolean;
  /** Requests that may be at work at once, those that are answered from memory without waiting not among them; more are refused. */
  readonly maxRequestsInFlight: number;
  /** While the event loop runs so far behind, in milliseconds, requests are refused; 0: never. */
  readonly maxEventLoopDelayMs: number;
}

/** Injection token of {@link LimitsOptions}. */
export const LIMITS_OPTIONS = Symbol('LimitsOptions');
