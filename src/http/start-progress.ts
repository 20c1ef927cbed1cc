import type { StorageStep } from '../storage/start-watch.js';

/** What a start waits for: the database, its schema, or the cache's first look at it. */
export type StartStep = StorageStep | 'cache';

/** How far a start has come before there is an application to say so. */
export class StartProgress {
  readonly #startedAtMs = performance.now();
  #step: StartStep = 'database';

  /** @param usesRedis - whether the application will name Redis among its parts. */
  constructor(private readonly usesRedis: boolean) {}

  /** Goes on to a step, or back to one. */
  enter(step: StartStep): void {
    this.#step = step;
  }

  /** What `/health/startup` is answered, in the form that the application answers it: the step, and the cache that waits. */
  get startup(): object {
    const seconds = Math.round(performance.now() - this.#startedAtMs) / 1000;
    return health({ start: { status: 'down', step: this.#step, seconds }, cache: WAITING_CACHE });
  }

  /** What `/health/ready` is answered: the parts that the application names. */
  get readiness(): object {
    const database = this.#step === 'database' ? down('the database does not answer yet') : { status: 'up' as const };
    return health({
      database,
      cache: WAITING_CACHE,
      coherence: { status: 'down', inDoubt: true, lastConfirmedMs: null },
      ...(this.usesRedis ? { redis: { status: 'up', state: 'away' } } : {}),
    });
  }
}

interface Part {
  readonly status: 'up' | 'down';
  readonly [detail: string]: unknown;
}

const WAITING_CACHE: Part = { status: 'down', state: 'waiting', chats: 0, totalChats: 0, messages: 0, seconds: 0 };

function down(message: string): Part {
  return { status: 'down', message };
}

function health(details: Readonly<Record<string, Part>>): object {
  const parts = Object.entries(details);
  const of = (status: Part['status']): object => Object.fromEntries(parts.filter(([, part]) => part.status === status));
  return { status: 'error', info: of('up'), error: of('down'), details };
}
