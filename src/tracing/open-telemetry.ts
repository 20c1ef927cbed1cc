import type { IncomingHttpHeaders } from 'node:http';
import {
  defaultTextMapGetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Link,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { settlesWithin } from '../storage/embedded/wait-until.js';
import { errorFields } from '../common/error-fields.js';
import type { Span, SpanAttributes, SpanStart, Tracer } from '../common/tracing.js';
import { WatchedExporter } from './watched-exporter.js';

/** What is left to deliver gets this long at the end: a collector that hangs must not hold up a shutdown. */
const FLUSH_LIMIT_MS = 2000;

const KINDS = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };

/**
 * Makes spans of OpenTelemetry's SDK, and delivers them by OTLP over HTTP, in batches, behind the requests. The SDK reads its settings from
 * the variables of the environment that begin with `OTEL_`.
 *
 * @remarks Nothing is registered globally, so that a host application's own tracing is left alone. Imported only when it is wanted: loading it takes
 * time and memory.
 */
export class OpenTelemetry implements Tracer {
  readonly #provider: BasicTracerProvider;
  readonly #tracer: OtelTracer;
  readonly #propagator = new W3CTraceContextPropagator();

  /** Starts to deliver. @param version - of this program. */
  constructor(version: string) {
    const own = resourceFromAttributes({ 'service.name': 'scrollback', 'service.version': version });
    this.#provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(own)
        .merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [new BatchSpanProcessor(new WatchedExporter(new OTLPTraceExporter()))],
    });
    this.#tracer = this.#provider.getTracer('scrollback', version);
  }

  startRequest(name: string, headers: IncomingHttpHeaders, start: SpanStart): Span {
    const context = this.#propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    return new RecordedSpan(this.#start(name, SpanKind.SERVER, context, start));
  }

  startChild(name: string, kind: 'internal' | 'client', parent: Span, start: SpanStart): Span {
    const context = parent instanceof RecordedSpan ? trace.setSpan(ROOT_CONTEXT, parent.span) : ROOT_CONTEXT;
    return new RecordedSpan(this.#start(name, KINDS[kind], context, start));
  }

  /** Delivers what is left, for two seconds at most, and makes no more. Never throws. */
  async stop(): Promise<void> {
    await settlesWithin(
      this.#provider.shutdown().catch(() => undefined),
      FLUSH_LIMIT_MS,
    );
  }

  #start(
    name: string,
    kind: SpanKind,
    context: Context,
    { attributes = {}, startedMs: startTime, link }: SpanStart,
  ): OtelSpan {
    const links: Link[] = link instanceof RecordedSpan ? [{ context: link.span.spanContext() }] : [];
    return this.#tracer.startSpan(name, { kind, attributes, startTime, links }, context);
  }
}

/** A span of the SDK. */
class RecordedSpan implements Span {
  constructor(readonly span: OtelSpan) {}

  get traceId(): string {
    return this.span.spanContext().traceId;
  }

  set(attributes: SpanAttributes): void {
    this.span.setAttributes(attributes);
  }

  /** The kind of the error is told, and not its message: it may quote what users have written. */
  fail(error: unknown): void {
    this.span.setStatus({ code: SpanStatusCode.ERROR });
    if (error === undefined) return;
    const { error: text, errorCode } = errorFields(error);
    this.span.setAttribute('error.type', errorCode ?? (error instanceof Error ? error.name : text));
  }

  end(atMs?: number): void {
    this.span.end(atMs);
  }
}
