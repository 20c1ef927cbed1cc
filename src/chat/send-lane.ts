import type { IncomingMessage, ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import { withRequestId, type Caller } from '../auth/caller.js';
import type { Callers } from '../auth/callers.js';
import { errorFields } from '../common/error-fields.js';
import type { LogEvent } from '../common/log-line.js';
import { REQUEST_ID_HEADER, requestIdOf, traceIdOf } from '../common/request-id.js';
import { isTracing } from '../common/tracing.js';
import { JSON_TYPE } from '../http/answer.js';
import { evenWaitMs } from '../http/even-answers.js';
import type { FastLane } from '../http/fast-lane.js';
import { parseJsonBody } from '../http/json-body.js';
import { answerProblem, type ProblemAnswer } from '../http/problem-answer.js';
import { readSmallBody, smallBodyLength } from '../http/small-body.js';
import type { SlowRequests } from '../http/slow-requests.js';
import { rateHeaders, type RequestLimits } from '../limits/request-limits.js';
import type { Metrics } from '../metrics/metrics.js';
import type { NewMessage } from '../storage/message-repository.js';
import { chatId as chatIdSchema, sendMessageBody } from './input-schemas.js';
import { chatOfMessagesUrl, MESSAGES_ROUTE } from './page-url.js';
import type { Sending, SentAnswer } from './sending.js';

const METHOD = 'POST';

/** A send that is being done. */
interface Send {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  readonly requestId: string;
  readonly startedMs: number;
  /** Of the answer, whatever it is: names and values in turn. The answer's own come behind. */
  readonly head: string[];
}

/**
 * Takes `POST /v1/chats/{chatId}/messages` of callers who are known already, in the form that most have: the body is read, and held to the same
 * schema as ever. What that refuses is put back, and goes the ordinary way to be told what is wrong with it. From where the message is handed to the
 * repository nothing is given back: what comes of it is told here.
 */
export class SendLane implements FastLane {
  readonly #logger = new Logger('Http');

  constructor(
    private readonly sending: Sending,
    private readonly callers: Callers,
    private readonly limits: RequestLimits,
    private readonly metrics: Metrics,
    private readonly slow: SlowRequests,
    private readonly options: {
      /** Larger bodies are refused, the ordinary way. */
      readonly maxBodyBytes: number;
      /** Names and values of headers of every answer. */
      readonly headers: readonly string[];
    },
  ) {}

  take(request: IncomingMessage, response: ServerResponse, giveBack: () => void): boolean {
    // Who traces wants to see each step, of which there are fewer here.
    if (request.method !== METHOD || isTracing()) return false;
    // One behind a request that is not answered yet must not overtake it.
    if (response.socket === null) return false;
    const chatId = chatOfMessagesUrl(request.url!);
    if (chatId === undefined) return false;
    const startedMs = performance.now();
    const { headers } = request;
    const length = smallBodyLength(request);
    if (length === undefined || length > this.options.maxBodyBytes) return false;
    if (headers['content-type'] !== 'application/json' || headers['content-encoding'] !== undefined) return false;
    // Pages of other origins are told what they may see by the framework.
    if (headers.origin !== undefined) return false;
    const caller = this.callers.recall(headers);
    if (caller === undefined || !this.limits.knowsAddressOf(caller)) return false;
    // Before the body has come: who sends a part of it has a place among the requests at work.
    const admission = this.limits.admit(caller, request.socket.remoteAddress ?? '');
    if (admission?.isAdmitted === false) return false;
    readSmallBody(request, length, (body) => {
      const message = this.#read(chatId, body, headers['idempotency-key'] as string | undefined, caller);
      if (message === undefined) {
        if (admission !== undefined) this.limits.noteAdmitted(request, admission);
        request.unshift(body);
        giveBack();
        return;
      }
      const requestId = requestIdOf(headers);
      const head = [...this.options.headers, REQUEST_ID_HEADER, requestId];
      if (admission !== undefined) head.push(...rateHeaders(admission, this.limits.rateMax));
      void this.#send(message, {
        request,
        response,
        caller: withRequestId(caller, requestId),
        requestId,
        startedMs,
        head,
      });
    });
    return true;
  }

  /** The message, if there is nothing wrong with it. */
  #read(chatId: string, body: Buffer, key: string | undefined, caller: Caller): NewMessage | undefined {
    try {
      const parsed = sendMessageBody.safeParse(parseJsonBody(body));
      return parsed.success ? this.sending.read(chatIdSchema.parse(chatId), parsed.data, key, caller) : undefined;
    } catch {
      return undefined;
    }
  }

  async #send(message: NewMessage, send: Send): Promise<void> {
    let answer: SentAnswer;
    try {
      answer = await this.sending.send(message, send.caller);
    } catch (error) {
      this.#fail(error, send);
      return;
    }
    send.head.push('content-type', JSON_TYPE);
    this.#answer(send, answer);
  }

  #fail(error: unknown, send: Send): void {
    const { request, caller, requestId, startedMs } = send;
    const tell = (): void => {
      const about = { method: METHOD, route: MESSAGES_ROUTE, requestId, traceId: traceIdOf(request.headers) };
      this.#answer(send, answerProblem(error, about));
    };
    const waitMs = evenWaitMs(error, caller, performance.now() - startedMs);
    if (waitMs === 0) tell();
    else setTimeout(tell, waitMs);
  }

  /** Never throws: nobody would hear of it, and the message is sent, or refused, whatever becomes of the answer. */
  #answer(send: Send, answer: SentAnswer | ProblemAnswer): void {
    const { response } = send;
    try {
      this.#write(send, answer);
    } catch (error) {
      this.#logger.error({
        event: 'answer_failed',
        message: 'A send was done, and its answer has failed.',
        requestId: send.requestId,
        ...errorFields(error),
      } satisfies LogEvent);
      if (!response.writableEnded) response.destroy();
    }
  }

  #write(
    { request, response, requestId, startedMs, head }: Send,
    { status, headers, body }: SentAnswer | ProblemAnswer,
  ): void {
    const bytes = Buffer.byteLength(body);
    this.limits.answers.add(response, request, bytes);
    head.push(...headers, 'content-length', String(bytes));
    response.writeHead(status, head).end(body);
    const ms = performance.now() - startedMs;
    this.metrics.observeRequest(METHOD, MESSAGES_ROUTE, status, ms / 1000);
    if (!this.slow.includes(ms)) return;
    this.slow.name({
      method: METHOD,
      route: MESSAGES_ROUTE,
      status,
      ms,
      requestId,
      traceId: traceIdOf(request.headers),
    });
  }
}
