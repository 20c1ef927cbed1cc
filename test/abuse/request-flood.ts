import { Agent, request as httpRequest } from 'node:http';
import fc from 'fast-check';
import type { OpenApi } from '../support/openapi.js';
import { AnswerJudge, type AbuseAnswer } from './answer-judge.js';
import { anyRequest, type AbuseRequest, type Inhabitants } from './request-arbitrary.js';

/** Requests that are on their way at once. */
const CONCURRENCY = 32;

/** Requests made by one draw: the chats that they meet are renewed between two draws. */
const ROUND = 500;

/** What came of a flood. */
export interface FloodReport {
  readonly requests: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests by operation, and how many of them were answered without an error. */
  readonly operations: Readonly<Record<string, { readonly requests: number; readonly good: number }>>;
  /** Answers that must not be, with the request. */
  readonly violations: readonly string[];
}

/**
 * Sends requests made from the document, right and wrong, and judges every answer by it. The same seed makes the same requests as long as
 * the inhabitants are the same.
 */
export async function floodWithRequests(
  url: string,
  document: OpenApi,
  options: { readonly requests: number; readonly seed: number; readonly inhabitants: () => Promise<Inhabitants> },
): Promise<FloodReport> {
  const judge = new AnswerJudge(document);
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const statuses: Record<string, number> = {};
  const operations: Record<string, { requests: number; good: number }> = {};
  const violations: string[] = [];
  const send = async (request: AbuseRequest): Promise<void> => {
    const tally = (operations[request.operation] ??= { requests: 0, good: 0 });
    tally.requests++;
    try {
      const answer = await ask(agent, url, request);
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status < 400) tally.good++;
      const fault = judge.judge(request, answer);
      if (fault !== undefined) violations.push(`${fault}\n  ${JSON.stringify(request).slice(0, 1000)}`);
    } catch (error) {
      violations.push(`no answer: ${String(error)}\n  ${JSON.stringify(request).slice(0, 1000)}`);
    }
  };
  for (let sent = 0; sent < options.requests; sent += ROUND) {
    const drawn = fc.sample(anyRequest(document, await options.inhabitants()), {
      numRuns: Math.min(ROUND, options.requests - sent),
      seed: options.seed + sent,
    });
    const queue = drawn.values();
    await Promise.all(
      Array.from({ length: CONCURRENCY }, async () => {
        for (const request of queue) await send(request);
      }),
    );
  }
  agent.destroy();
  return { requests: options.requests, statuses, operations, violations };
}

function ask(agent: Agent, url: string, { method, path, headers, body }: AbuseRequest): Promise<AbuseAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { agent, hostname, port, method, path, headers: { ...headers, ...lengthOf(body) } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            type: response.headers['content-type'],
            retryAfter: response.headers['retry-after'],
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
}
