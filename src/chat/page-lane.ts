import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Callers } from '../auth/callers.js';
import { viewerOf } from '../auth/caller.js';
import type { MessageCache } from '../cache/message-cache.js';
import { REQUEST_ID_HEADER, requestIdOf } from '../common/request-id.js';
import { isTracing } from '../common/tracing.js';
import { chatAnswerHeaders, isNotModified, JSON_TYPE } from '../http/answer.js';
import type { FastLane } from '../http/fast-lane.js';
import { endRequestSpan, startRequestSpan } from '../http/request-trace.js';
import { rateHeaders, type RequestLimits } from '../limits/request-limits.js';
import type { Metrics } from '../metrics/metrics.js';
import { MESSAGES_ROUTE, parsePageUrl } from './page-url.js';
import { readMinVersion } from './read-options.js';

/** Answers `GET /v1/chats/{chatId}/messages` when the page is held and the caller is known already. */
export class PageLane implements FastLane {
  constructor(
    private readonly cache: MessageCache,
    private readonly callers: Callers,
    private readonly limits: RequestLimits,
    private readonly metrics: Metrics,
    /** Names and values of headers of every answer. */
    private readonly headers: readonly string[],
  ) {}

  take(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET') return false;
    const wanted = parsePageUrl(request.url!);
    if (wanted === undefined) return false;
    const startedMs = performance.now();
    const { headers } = request;
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return false;
    // Pages of other origins are told what they may see by the framework.
    if (headers.origin !== undefined) return false;
    const caller = this.callers.recall(headers);
    const minVersion = readMinVersion(headers['min-chat-version']);
    if (caller === undefined || minVersion === 'invalid') return false;
    const options = { minVersion, viewer: viewerOf(caller) };
    const page = this.cache.peekMessages(wanted.chatId, wanted.query, options);
    if (page === undefined) return false;
    if (!this.limits.knowsAddressOf(caller)) return false;
    const admission = this.limits.admit(caller, request.socket.remoteAddress ?? '');
    if (admission?.isAdmitted === false) return false;
    const requestId = requestIdOf(headers);
    const head = [...this.headers, ...chatAnswerHeaders(page), REQUEST_ID_HEADER, requestId];
    if (admission !== undefined) head.push(...rateHeaders(admission, this.limits.rateMax));
    const status = isNotModified(headers['if-none-match'], page) ? 304 : 200;
    if (status === 304) {
      response.writeHead(304, head).end();
    } else {
      const bytes = page.byteLength;
      this.limits.answers.add(response, request, bytes);
      head.push('content-type', JSON_TYPE, 'content-length', String(bytes));
      // The parts go to the socket as they are, in one call: copying them together took a tenth of the time. The texts among them are
      // of ASCII: an id, numbers, names of fields.
      response.cork();
      response.writeHead(200, head);
      const last = page.parts.length - 1;
      for (let at = 0; at < last; at++) response.write(page.parts[at]!, 'latin1');
      response.end(page.parts[last]!, 'latin1');
      response.uncork();
    }
    this.metrics.observeRequest('GET', MESSAGES_ROUTE, status, (performance.now() - startedMs) / 1000);
    if (isTracing()) traceHit(headers, requestId, status, startedMs);
    return true;
  }
}

/** The span of a request that was answered at once: it was a hit, or it had taken the ordinary way. */
function traceHit(headers: IncomingHttpHeaders, requestId: string, status: number, startedMs: number): void {
  const span = startRequestSpan('GET', MESSAGES_ROUTE, requestId, headers, startedMs);
  if (span === undefined) return;
  span.set({ 'scrollback.cache.family': 'messages', 'scrollback.cache.result': 'hit' });
  endRequestSpan(span, status);
}
