import { areActivitiesFollowed, currentActivity, runFor, type Activity } from '../../common/activity.js';
import { currentTracer, startSpan, type Span } from '../../common/tracing.js';
import type { StatementCause } from '../statement-watch.js';
import type { ChatOperation } from './chat-operation.js';

/** Who has asked for an operation, and its wait in the queue as a span. */
export interface WriteOrigin {
  readonly activity: Activity;
  /** `undefined` when nobody traces, and once the wait is over. */
  waiting: Span | undefined;
}

/** How large a batch is. */
export interface BatchSize {
  readonly operations: number;
  readonly chats: number;
}

/** Requests named by what is logged of a batch. More would make a line that nobody reads. */
const REQUESTS_NAMED = 10;

/** Whom the running code asks an operation for; `undefined` for nobody in particular, or when nobody follows. */
export function writeOrigin(): WriteOrigin | undefined {
  const activity = currentActivity();
  return activity === undefined ? undefined : { activity, waiting: startSpan('write queue', 'internal') };
}

/**
 * Runs the transaction of a batch for all who wait for it: each gets a span of it in their own trace, the statements are under the first one's,
 * and what is logged names the requests.
 */
export function runBatch<T>(
  origins: readonly (WriteOrigin | undefined)[],
  size: BatchSize,
  work: () => Promise<T>,
): Promise<T> {
  if (!areActivitiesFollowed()) return work();
  const known = origins.filter((origin) => origin !== undefined);
  const spans = startCommits(known, size);
  const running = runFor(batchActivity(known, spans[0]), work);
  return spans.length === 0 ? running : endWith(running, spans);
}

/** What the log says of the operations for which a batch's statements are run. */
export function causeOf(operations: ReadonlyMap<string, readonly ChatOperation[]>): StatementCause {
  const all = [...operations.values()].flat();
  const ids = all.flatMap(({ actor }) => actor.requestId ?? []);
  return { requestIds: named(ids), operations: all.length, chats: operations.size };
}

function startCommits(origins: readonly WriteOrigin[], { operations, chats }: BatchSize): Span[] {
  const tracer = currentTracer();
  if (tracer === undefined) return [];
  const attributes = { 'scrollback.write.operations': operations, 'scrollback.write.chats': chats };
  const spans: Span[] = [];
  for (const origin of origins) {
    const { span } = origin.activity;
    origin.waiting?.end();
    origin.waiting = undefined;
    if (span !== undefined) {
      spans.push(tracer.startChild('write commit', 'internal', span, { attributes, link: spans[0] }));
    }
  }
  return spans;
}

function batchActivity(origins: readonly WriteOrigin[], span: Span | undefined): Activity | undefined {
  const requestIds = named(origins.flatMap(({ activity }) => activity.requestIds));
  if (requestIds.length === 0) return undefined;
  return { requestIds, traceId: span?.traceId ?? origins[0]!.activity.traceId, span };
}

function named(requestIds: readonly string[]): string[] {
  return [...new Set(requestIds)].slice(0, REQUESTS_NAMED);
}

async function endWith<T>(running: Promise<T>, spans: readonly Span[]): Promise<T> {
  try {
    return await running;
  } catch (error) {
    for (const span of spans) span.fail(error);
    throw error;
  } finally {
    for (const span of spans) span.end();
  }
}
