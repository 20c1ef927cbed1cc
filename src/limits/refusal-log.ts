import { Logger } from '@nestjs/common';
import type { LogEvent } from '../common/log-line.js';
import type { RefusalCause } from './request-limits.js';

/** What is told: an instance that sheds load. Callers over their limit are their own affair, and the metrics count them. */
const CAUSES = ['overload', 'connections'] as const satisfies readonly RefusalCause[];

type ToldCause = (typeof CAUSES)[number];

/** Between two looks at the counts. */
const LOOK_MS = 1000;

/** Between two lines while it goes on. */
const REPEAT_MS = 10_000;

/** Without a refusal for so long, it is over. Too short and one flood is told as many. */
const QUIET_MS = 5000;

const BEGUN: Readonly<Record<ToldCause, string>> = {
  overload: 'Requests are refused: there is more to do than this instance can.',
  connections: 'Connections are refused: as many are open as may be.',
};

const ENDED: Readonly<Record<ToldCause, string>> = {
  overload: 'No requests are refused any more.',
  connections: 'No connections are refused any more.',
};

/** Refusals of one cause, from the first to the last. */
interface Episode {
  readonly beganMs: number;
  readonly countBefore: number;
  told: number;
  toldMs: number;
  seen: number;
  seenMs: number;
}

/**
 * Tells the log that an instance has begun to refuse, how many it has refused since the last line while it goes on, and that it has stopped. It looks
 * at the counts now and then, so that a refusal costs no more than being counted.
 */
export class RefusalLog {
  readonly #logger = new Logger('Limits');
  readonly #episodes = new Map<ToldCause, Episode>();
  readonly #seen: Record<ToldCause, number> = { overload: 0, connections: 0 };
  #timer: NodeJS.Timeout | undefined;

  /** @param counts - refusals so far, by cause. */
  constructor(
    private readonly counts: Readonly<Record<ToldCause, number>>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Begins to look. */
  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Ends it, with a last look. */
  stop(): void {
    clearInterval(this.#timer);
    this.look();
  }

  /** Tells what has come since the last look, if that is to be told now. */
  look(): void {
    for (const cause of CAUSES) this.#look(cause, this.now());
  }

  #look(cause: ToldCause, nowMs: number): void {
    const count = this.counts[cause];
    const before = this.#seen[cause];
    this.#seen[cause] = count;
    const episode = this.#episodes.get(cause);
    if (episode === undefined) {
      if (count > before) this.#begin(cause, before, nowMs);
      return;
    }
    if (count > episode.seen) Object.assign(episode, { seen: count, seenMs: nowMs });
    if (nowMs - episode.seenMs >= QUIET_MS) this.#end(cause, episode);
    else if (nowMs - episode.toldMs >= REPEAT_MS && count > episode.told) this.#tell(cause, episode, nowMs);
  }

  #begin(cause: ToldCause, countBefore: number, nowMs: number): void {
    const seen = this.counts[cause];
    const episode = { beganMs: nowMs, countBefore, told: countBefore, toldMs: nowMs, seen, seenMs: nowMs };
    this.#episodes.set(cause, episode);
    this.#tell(cause, episode, nowMs);
  }

  #tell(cause: ToldCause, episode: Episode, nowMs: number): void {
    const count = episode.seen - episode.told;
    Object.assign(episode, { told: episode.seen, toldMs: nowMs });
    this.#logger.warn({ event: 'refusing', message: BEGUN[cause], cause, count } satisfies LogEvent);
  }

  #end(cause: ToldCause, { seen, countBefore, beganMs, seenMs }: Episode): void {
    this.#episodes.delete(cause);
    const told = { count: seen - countBefore, ms: Math.round(seenMs - beganMs) };
    this.#logger.log({ event: 'refusing_ended', message: ENDED[cause], cause, ...told } satisfies LogEvent);
  }
}
