import type { IncomingMessage } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Caller } from '../auth/caller.js';
import { parseRedisUrls } from '../redis/redis-address.js';
import { RedisCounters } from '../redis/redis-counters.js';
import { LIMITS_OPTIONS, type LimitsOptions } from './limits-options.js';
import { LoadShedder } from './load-shedder.js';
import { ProofLines } from './proof-lines.js';
import { RateLimiter, type Admission } from './rate-limiter.js';
import { RateSharing } from './rate-sharing.js';
import { WaitingAnswers } from './waiting-answers.js';
import { RefusalLog } from './refusal-log.js';

/** Why requests and connections are refused before anybody looks at what they want. */
export const REFUSAL_CAUSES = ['rate', 'overload', 'connections'] as const;

/** One of {@link REFUSAL_CAUSES}. */
export type RefusalCause = (typeof REFUSAL_CAUSES)[number];

/**
 * Proofs of one address that may be looked at or wait at once, where the limit of requests is not higher. Too low and many who come for the first
 * time from one address, as after a restart, are refused; too high and one address keeps the instance busy with verifying signatures.
 */
const MIN_PROOFS_AT_ONCE = 64;

/** When who was one of too many at once may try again, in milliseconds: a proof takes a few. */
const PROOF_PAUSE_MS = 1000;

/** What bounds the requests of an instance, and counts what it refused. */
@Injectable()
export class RequestLimits implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly shedder: LoadShedder;
  readonly answers = new WaitingAnswers();
  readonly refusals: Record<RefusalCause, number> = { rate: 0, overload: 0, connections: 0 };
  readonly #refusalLog = new RefusalLog(this.refusals);
  readonly #rates: RateLimiter | undefined;
  readonly #proofs: ProofLines;
  readonly #admitted = new WeakMap<IncomingMessage, Admission>();
  #sharing: RateSharing | undefined;

  constructor(@Inject(LIMITS_OPTIONS) private readonly options: LimitsOptions) {
    this.shedder = new LoadShedder(options.maxRequestsInFlight, options.maxEventLoopDelayMs);
    this.#rates = options.rateMax === 0 ? undefined : new RateLimiter(options.rateMax, options.rateWindowMs);
    const most = Math.max(options.rateMax, MIN_PROOFS_AT_ONCE);
    this.#proofs = new ProofLines(most, (address) => this.#lookAtFailures(address)?.remaining ?? Infinity);
  }

  /** Requests of one caller in a window; 0: any number. */
  get rateMax(): number {
    return this.options.rateMax;
  }

  onApplicationBootstrap(): void {
    this.shedder.start();
    this.#refusalLog.start();
    const urls = this.options.redisUrl === undefined ? undefined : parseRedisUrls(this.options.redisUrl);
    if (this.#rates === undefined || urls === undefined) return;
    this.#sharing = new RateSharing(this.#rates, new RedisCounters(urls));
    this.#sharing.start();
  }

  onApplicationShutdown(): void {
    this.shedder.stop();
    this.#refusalLog.stop();
    this.#sharing?.stop();
  }

  /** Whether {@link admit} can judge a caller by the address of the connection. */
  knowsAddressOf(caller: Caller): boolean {
    return !this.options.countsForwardedAddresses || caller.userId !== undefined || caller.keyName !== undefined;
  }

  /**
   * Counts a request of a caller. `undefined`: there is no limit.
   *
   * @param address - where the request comes from; that is who calls when nobody has to say who they are.
   */
  admit(caller: Caller, address: string): Admission | undefined {
    return this.#rates?.admit(rateKeyOf(caller, address));
  }

  /** Notes what {@link admit} has said of a request, for who looks at it again. */
  noteAdmitted(request: IncomingMessage, admission: Admission): void {
    this.#admitted.set(request, admission);
  }

  /** What was noted of a request that has been counted; `undefined`: it has not been. */
  admittedBefore(request: IncomingMessage): Admission | undefined {
    return this.#admitted.get(request);
  }

  /** What {@link admit} would say, without counting. */
  look(caller: Caller, address: string): Admission | undefined {
    return this.#rates?.look(rateKeyOf(caller, address));
  }

  /**
   * Lets somebody try to prove who they are when it is their turn, unless too many from their address have failed to, or want to now.
   *
   * @returns why not; `undefined`: they may, and {@link endProof} must follow.
   */
  async beginProof(address: string): Promise<Admission | undefined> {
    if (this.#rates === undefined || (await this.#proofs.begin(address))) return undefined;
    const failures = this.#lookAtFailures(address)!;
    return failures.isAdmitted ? { isAdmitted: false, remaining: 0, restMs: PROOF_PAUSE_MS } : failures;
  }

  /** Somebody has tried to prove who they are; a failure counts against their address. */
  endProof(address: string, isFailed: boolean): void {
    if (this.#rates === undefined) return;
    if (isFailed) this.#rates.admit(addressKey(address));
    this.#proofs.end(address);
  }

  #lookAtFailures(address: string): Admission | undefined {
    return this.#rates?.look(addressKey(address));
  }
}

/** Headers that tell a caller what is left, as names and values in turn. */
export function rateHeaders({ remaining, restMs }: Admission, max: number): string[] {
  return [
    'x-ratelimit-limit',
    String(max),
    'x-ratelimit-remaining',
    String(remaining),
    'x-ratelimit-reset',
    String(Math.ceil(restMs / 1000)),
  ];
}

/**
 * Whose requests are counted together: those of a user, also when a service acts for them, so that a backend's key is not the one caller of
 * all its users; those of a service that acts for nobody; where nobody proves who they are, those from an address.
 */
function rateKeyOf(caller: Caller, address: string): string {
  if (caller.userId !== undefined) return `user:${caller.userId}`;
  return caller.keyName === undefined ? addressKey(address) : `key:${caller.keyName}`;
}

function addressKey(address: string): string {
  return `address:${address}`;
}
