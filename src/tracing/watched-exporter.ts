import { Logger } from '@nestjs/common';
import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { errorText } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';

/** Says once that spans cannot be delivered, and once that they can again; the SDK itself says nothing. */
export class WatchedExporter implements SpanExporter {
  readonly #logger = new Logger('Tracing');
  #isFailing = false;

  constructor(private readonly exporter: SpanExporter) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.exporter.export(spans, (result) => {
      this.#note(result);
      done(result);
    });
  }

  forceFlush(): Promise<void> {
    return this.exporter.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }

  #note({ code, error }: ExportResult): void {
    const fails = code === ExportResultCode.FAILED;
    if (fails && !this.#isFailing) {
      this.#logger.warn({
        event: 'traces_undelivered',
        message: 'Traces cannot be delivered and are dropped. Requests go on.',
        error: errorText(error),
      } satisfies LogEvent);
    }
    if (!fails && this.#isFailing) {
      this.#logger.log({ event: 'traces_delivered', message: 'Traces are delivered again.' } satisfies LogEvent);
    }
    this.#isFailing = fails;
  }
}
