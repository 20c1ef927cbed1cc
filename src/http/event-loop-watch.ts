import { Logger } from '@nestjs/common';
import type { LogEvent } from '../common/log-line.js';

/** Shorter stalls are everyday: a collection of garbage, a large answer. */
const SHORTEST_STALL_MS = 100;

/** Looks at the clock for each time that is worth a line: what is told of a stall is short by one look at most. */
const LOOKS = 10;

/**
 * Names the times in which the process did nothing at all, be it that something kept it busy or that it did not get to run. What comes
 * meanwhile waits before anybody looks at it, hits first of all: their own time is microseconds, so that no clock of a request shows it.
 */
export class EventLoopWatch {
  readonly #logger = new Logger('EventLoop');
  readonly #timer: NodeJS.Timeout | undefined;
  #lookedMs = performance.now();

  /** Starts to look. @param slowMs - a stall that takes so long is named, in milliseconds, from 100 on; 0: none is. */
  constructor(slowMs: number) {
    if (slowMs === 0) return;
    const stallMs = Math.max(slowMs, SHORTEST_STALL_MS);
    const everyMs = stallMs / LOOKS;
    this.#timer = setInterval(() => this.#look(everyMs, stallMs), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(everyMs: number, stallMs: number): void {
    const nowMs = performance.now();
    const ms = Math.round(nowMs - this.#lookedMs - everyMs);
    this.#lookedMs = nowMs;
    if (ms < stallMs) return;
    this.#logger.warn({
      event: 'event_loop_stalled',
      message: `For ${ms} ms nothing was done: the process was kept busy or did not get to run, and requests waited.`,
      ms,
    } satisfies LogEvent);
  }
}
