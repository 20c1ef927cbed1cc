import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';

/** For spans to come that have been made. */
const DEADLINE_MS = 20_000;

/** A span as it was delivered. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** 2: failed. */
  readonly status: number | undefined;
  readonly links: readonly string[];
  readonly service: string;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string; readonly boolValue?: boolean };
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly attributes: readonly OtlpAttribute[];
        readonly status?: { readonly code?: number };
        readonly links?: readonly { readonly spanId: string }[];
      }[];
    }[];
  }[];
}

/** An OpenTelemetry collector that keeps what it is sent by OTLP over HTTP as JSON, refuses it, or hangs. */
export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  /** Bodies as they came. */
  readonly bodies: string[] = [];
  /** Headers of the last delivery. */
  headers: IncomingHttpHeaders = {};
  /** Deliveries that were tried. */
  deliveries = 0;
  mode: 'take' | 'refuse' | 'hang' = 'take';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<OtlpCollector> {
    const server = createServer();
    const collector = new OtlpCollector(server);
    server.on('request', (request, response) => {
      void text(request).then((body) => {
        collector.deliveries++;
        collector.headers = request.headers;
        if (collector.mode === 'hang') return;
        if (collector.mode === 'refuse') return void response.writeHead(400).end();
        if (request.url !== '/v1/traces') return void response.writeHead(404).end();
        collector.#take(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return collector;
  }

  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Waits for the server span of a request. @throws Error with what has come when it does not. */
  async requestSpan(requestId: string): Promise<CollectedSpan> {
    const find = (): CollectedSpan | undefined =>
      this.spans.find((span) => span.attributes['scrollback.request.id'] === requestId);
    await waitUntil(() => find() !== undefined, DEADLINE_MS);
    const found = find();
    if (found === undefined) throw new Error(`No span of ${requestId} among ${JSON.stringify(this.spans)}`);
    return found;
  }

  /** The spans of a trace under a span, each as its name, its own children behind it. */
  below(parent: CollectedSpan): readonly CollectedSpan[] {
    const children = this.spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);
    return children.flatMap((child) => [child, ...this.below(child)]);
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  #take(body: string): void {
    this.bodies.push(body);
    for (const { resource, scopeSpans } of (JSON.parse(body) as OtlpBody).resourceSpans) {
      const service = String(readAttributes(resource.attributes)['service.name']);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId,
          name: span.name,
          kind: span.kind,
          attributes: readAttributes(span.attributes),
          status: span.status?.code,
          links: (span.links ?? []).map(({ spanId }) => spanId),
          service,
        });
      }
    }
  }
}

function readAttributes(attributes: readonly OtlpAttribute[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? Number(value.intValue ?? Number.NaN),
    ]),
  );
}
