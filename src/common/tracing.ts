import type { IncomingHttpHeaders } from 'node:http';
import { currentActivity, runFor } from './activity.js';

/** What a span tells, by the names of OpenTelemetry's conventions where there are such. Never what users have written. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** One step of what a request has had done for it. */
export interface Span {
  /** 32 hexadecimal digits, the same for all that one request is part of. */
  readonly traceId: string;
  set(attributes: SpanAttributes): void;
  /** Marks it as failed. */
  fail(error: unknown): void;
  /** @param atMs - by `performance.now()`; absent: now. */
  end(atMs?: number): void;
}

/** How a span begins. Times are by `performance.now()`. */
export interface SpanStart {
  readonly attributes?: SpanAttributes;
  /** Absent: it begins now. */
  readonly startedMs?: number;
  /** Another span that does the same work for somebody else. */
  readonly link?: Span | undefined;
}

/** Makes spans. What implements it is chosen where the process starts. */
export interface Tracer {
  /** Begins the span of a request, under the one that its `traceparent` names. */
  startRequest(name: string, headers: IncomingHttpHeaders, start: SpanStart): Span;
  startChild(name: string, kind: 'internal' | 'client', parent: Span, start: SpanStart): Span;
}

let tracer: Tracer | undefined;

/** Sets who makes spans; `undefined` turns tracing off, which is how a process starts. */
export function setTracer(next: Tracer | undefined): void {
  tracer = next;
}

/** Whether anybody makes spans. To be asked before attributes are put together where every nanosecond counts. */
export function isTracing(): boolean {
  return tracer !== undefined;
}

/** Who makes spans; `undefined` while nobody does. */
export function currentTracer(): Tracer | undefined {
  return tracer;
}

/**
 * Begins a span under the one of the running activity; `undefined` when there is none: nobody traces, or no request has asked for the work.
 */
export function startSpan(name: string, kind: 'internal' | 'client', start: SpanStart = {}): Span | undefined {
  if (tracer === undefined) return undefined;
  const parent = currentActivity()?.span;
  return parent === undefined ? undefined : tracer.startChild(name, kind, parent, start);
}

/** Adds to what the span of the running activity tells. */
export function annotate(attributes: SpanAttributes): void {
  currentActivity()?.span?.set(attributes);
}

/** Runs work as a span of its own, if anybody traces. Gives or throws what the work does. */
export function traced<T>(name: string, work: () => Promise<T>): Promise<T> {
  const span = startSpan(name, 'internal');
  return span === undefined ? work() : runTraced(span, work);
}

async function runTraced<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await runFor({ ...currentActivity()!, span }, work);
  } catch (error) {
    span.fail(error);
    throw error;
  } finally {
    span.end();
  }
}
