import { Logger } from '@nestjs/common';
import type { LogEvent } from '../common/log-line.js';

/** An answered request. */
export interface AnsweredRequest {
  readonly method: string;
  /** Its pattern. */
  readonly route: string;
  readonly status: number;
  /** From its coming to its answer, in milliseconds: to the end of that, or on a fast lane to where it is handed to the connection. */
  readonly ms: number;
  readonly requestId: string;
  readonly traceId: string | undefined;
  readonly cacheStatus?: string | undefined;
}

/** Names slow requests in the log. */
export class SlowRequests {
  readonly #logger = new Logger('Http');

  /** @param fromMs - a request that takes so long is named, in milliseconds; 0: none is. */
  constructor(private readonly fromMs: number) {}

  /** Whether a request that took so long is named. */
  includes(ms: number): boolean {
    return this.fromMs > 0 && ms >= this.fromMs;
  }

  /** Names a request. */
  name(request: AnsweredRequest): void {
    const { method, route } = request;
    const ms = Math.round(request.ms);
    const message = `${method} ${route} took ${ms} ms.`;
    this.#logger.warn({ event: 'slow_request', message, ...request, ms } satisfies LogEvent);
  }
}
